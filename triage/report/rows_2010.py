"""Report: TID 2010 Key Object Selection (PS3.16), as rows. The template is not extensible."""

from pydicom.sr.codedict import codes

from triage.report.rows import row
from triage.report.rows_1500 import CONTAINS, DEVICE_1004, LANGUAGE_1204, MOD

TITLES_7010 = (
    codes.DCM.OfInterest,
    codes.DCM.RejectedForQualityReasons,
    codes.DCM.ForReferringProvider,
    codes.DCM.ForSurgery,
    codes.DCM.ForTeaching,
    codes.DCM.ForConference,
    codes.DCM.ForTherapy,
    codes.DCM.ForPatient,
    codes.DCM.ForPeerReview,
    codes.DCM.ForResearch,
    codes.DCM.QualityIssue,
    codes.DCM.BestInSet,
    codes.DCM.ForPrinting,
    codes.DCM.ForReportAttachment,
    codes.DCM.Manifest,
)
TID_2010 = row(
    "TID 2010 row 1 Key Object Selection",
    "",
    "CONTAINER",
    TITLES_7010,
    "1",
    template="2010",
    extensible=False,
    rows=(
        row("TID 2010 row 2 Document Title Modifier", MOD, "CODE", [codes.DCM.DocumentTitleModifier], "0-n"),
        LANGUAGE_1204,
        *DEVICE_1004,
        row("TID 2010 row 6 Key Object Description", CONTAINS, "TEXT", [codes.DCM.KeyObjectDescription]),
        row("TID 2010 row 7 Key Object", CONTAINS, "IMAGE WAVEFORM COMPOSITE", None, "1-n"),
    ),
)
