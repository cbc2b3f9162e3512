"""Report: TID 4000 Mammography CAD Document Root as far as a system without localised findings writes it (PS3.16).

The template is not extensible and its order is significant: a detected feature, an impression or an assessment category
(TID 4002 to 4014) has no row here and is a problem, because this service can know none of them.
"""

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from triage.report.rows import row
from triage.report.rows_1500 import ACQ, CONTAINS, LANGUAGE_1204, MILLIMETRES, MOD, SIDES_6022, D, S

PROPERTIES, INFERRED = "HAS PROPERTIES", "INFERRED FROM"
STATUS_6042 = (D.Succeeded, D.PartiallySucceeded, D.Failed, D.NotAttempted)
SUMMARY_6047 = (D.AllAlgorithmsSucceededWithoutFindings, D.NoAlgorithmsSucceededWithoutFindings)
VIEWS_4014 = (
    S.CranioCaudal,
    S.MedioLateralObliqueProjection,
    S.MedioLateralProjection,
    S.LateroMedial,
    S.LateroMedialOblique,
    S.CaudoCranial,
    S.CranioCaudalExaggeratedLaterally,
    S.CranioCaudalExaggeratedMedially,
    S.SuperolateralToInferomedialOblique,
    S.InferomedialToSuperolateralOblique,
    S.TissueSpecimenFromBreast,
)
ANALYSES_6043 = (
    Code("111233", "DCM", "Individual Impression/Recommendation Analysis"),
    Code("111234", "DCM", "Overall Impression/Recommendation Analysis"),
)

ENTRY_4020 = row(
    "TID 4020 row 1 CAD Image Library Entry",
    CONTAINS,
    "IMAGE",
    None,
    "1-n",
    extensible=False,
    rows=(
        row("TID 4020 row 2 Image Laterality", ACQ, "CODE", [D.ImageLaterality], "1", values=SIDES_6022),
        row(
            "TID 4020 row 3 Image View",
            ACQ,
            "CODE",
            [D.ImageView],
            "1",
            values=VIEWS_4014,
            extensible=False,
            rows=(row("TID 4020 row 4 Image View Modifier", MOD, "CODE", [D.ImageViewModifier], "0-n"),),
        ),
        row("TID 4020 row 5 Patient Orientation Row", ACQ, "TEXT", [D.PatientOrientationRow]),
        row("TID 4020 row 6 Patient Orientation Column", ACQ, "TEXT", [D.PatientOrientationColumn]),
        row("TID 4020 row 7 Study Date", ACQ, "DATE", [D.StudyDate]),
        row("TID 4020 row 8 Study Time", ACQ, "TIME", [D.StudyTime]),
        row("TID 4020 row 9 Content Date", ACQ, "DATE", [D.ContentDate]),
        row("TID 4020 row 10 Content Time", ACQ, "TIME", [D.ContentTime]),
        row("TID 4020 row 11 Horizontal Pixel Spacing", ACQ, "NUM", [D.HorizontalPixelSpacing], units=[MILLIMETRES]),
        row("TID 4020 row 12 Vertical Pixel Spacing", ACQ, "NUM", [D.VerticalPixelSpacing], units=[MILLIMETRES]),
    ),
)
PERFORMED_4018 = row(
    "TID 4018 row 1 Analysis Performed",
    CONTAINS,
    "CODE",
    [D.AnalysisPerformed],
    "1-n",
    values=ANALYSES_6043,
    extensible=False,
    rows=(
        row("TID 4019 row 1 Algorithm Name", PROPERTIES, "TEXT", [D.AlgorithmName], "1"),
        row("TID 4019 row 2 Algorithm Version", PROPERTIES, "TEXT", [D.AlgorithmVersion], "1"),
        row(
            "TID 4019 row 3 Algorithm Manufacturer",
            PROPERTIES,
            "TEXT",
            [Code("122405", "DCM", "Algorithm Manufacturer")],
        ),
        row("TID 4019 row 4 Algorithm Parameters", PROPERTIES, "TEXT", [D.AlgorithmParameters], "0-n"),
        row("TID 4018 row 3 analysed image", PROPERTIES, "IMAGE", None, "1-n", by_reference=True),
    ),
)
TID_4000 = row(
    "TID 4000 row 1 Mammography CAD Report",
    "",
    "CONTAINER",
    [codes.DCM.MammographyCADReport],
    "1",
    template="4000",
    extensible=False,
    ordered=True,
    rows=(
        LANGUAGE_1204,
        row("TID 4000 row 3 Image Library", CONTAINS, "CONTAINER", [D.ImageLibrary], "1", rows=(ENTRY_4020,),
            extensible=False),
        row("TID 4001 row 1 CAD Processing and Findings Summary", CONTAINS, "CODE", [D.CADProcessingAndFindingsSummary],
            "1", values=SUMMARY_6047, extensible=False),
        row("TID 4000 row 6 Summary of Detections", CONTAINS, "CODE", [D.SummaryOfDetections], "1",
            values=[D.NotAttempted], extensible=False),
        row(
            "TID 4000 row 8 Summary of Analyses",
            CONTAINS,
            "CODE",
            [D.SummaryOfAnalyses],
            "1",
            values=STATUS_6042,
            extensible=False,
            rows=(
                row("TID 4016 row 1 Successful Analyses", INFERRED, "CONTAINER", [D.SuccessfulAnalyses],
                    rows=(PERFORMED_4018,), extensible=False),
                row("TID 4016 row 3 Failed Analyses", INFERRED, "CONTAINER", [D.FailedAnalyses],
                    rows=(PERFORMED_4018,), extensible=False),
            ),
        ),
    ),
)  # fmt: skip
