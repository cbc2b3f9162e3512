"""Report: TID 1500 Measurement Report and the templates that it includes (PS3.16), as rows.

Rows that no service of this kind writes (planar and volumetric regions, derived measurements, time points) are left out
of the list: their containers extend the template and are passed over.
"""

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from triage.report.rows import row

D, S = codes.DCM, codes.SCT
MOD, OBS, ACQ, CONTAINS = "HAS CONCEPT MOD", "HAS OBS CONTEXT", "HAS ACQ CONTEXT", "CONTAINS"
PIXELS, MILLIMETRES = Code("{pixels}", "UCUM", "Pixels"), Code("mm", "UCUM", "millimeter")
LEFT, RIGHT = Code("7771000", "SCT", "Left"), Code("24028007", "SCT", "Right")
BOTH = Code("51440002", "SCT", "Bilateral")
SIDES_244 = (RIGHT, LEFT, BOTH, Code("66459002", "SCT", "Unilateral"))
SIDES_6022 = (
    Code("73056007", "SCT", "Right breast"),
    Code("80248007", "SCT", "Left breast"),
    Code("63762007", "SCT", "Both breasts"),
)
TITLES_7021 = (
    D.ImagingMeasurementReport,
    D.OncologyMeasurementReport,
    D.DynamicContrastMRMeasurementReport,
    D.PETMeasurementReport,
)

LANGUAGE_1204 = row(
    "TID 1204 row 1 Language",
    MOD,
    "CODE",
    [D.LanguageOfContentItemAndDescendants],
    "1",
    rows=(row("TID 1204 row 2 Country of Language", MOD, "CODE", [D.CountryOfLanguage]),),
)
DEVICE_1004 = (
    row("TID 1002 row 1 Observer Type", OBS, "CODE", [D.ObserverType], "0-n", values=[D.Device, D.Person]),
    row("TID 1004 row 1 Device Observer UID", OBS, "UIDREF", [D.DeviceObserverUID], "0-n"),
    row("TID 1004 row 2 Device Observer Name", OBS, "TEXT", [D.DeviceObserverName], "0-n"),
    row("TID 1004 row 3 Device Observer Manufacturer", OBS, "TEXT", [D.DeviceObserverManufacturer], "0-n"),
    row("TID 1004 row 4 Device Observer Model Name", OBS, "TEXT", [D.DeviceObserverModelName], "0-n"),
    row("TID 1004 row 5 Device Observer Serial Number", OBS, "TEXT", [D.DeviceObserverSerialNumber], "0-n"),
    row("TID 1003 row 1 Person Observer Name", OBS, "PNAME", [D.PersonObserverName], "0-n"),
)
DESCRIPTORS_1602 = (
    row("TID 1602 row 1 Modality", ACQ, "CODE", [D.Modality]),
    row("TID 1602 row 3 Image Laterality", ACQ, "CODE", [D.ImageLaterality], values=[*SIDES_244, *SIDES_6022]),
    row("TID 1602 row 4 Study Date", ACQ, "DATE", [D.StudyDate]),
    row("TID 1602 row 5 Study Time", ACQ, "TIME", [D.StudyTime]),
    row("TID 1602 row 6 Content Date", ACQ, "DATE", [D.ContentDate]),
    row("TID 1602 row 7 Content Time", ACQ, "TIME", [D.ContentTime]),
    row("TID 1602 row 11 Pixel Data Rows", ACQ, "NUM", [D.PixelDataRows], units=[PIXELS]),
    row("TID 1602 row 12 Pixel Data Columns", ACQ, "NUM", [D.PixelDataColumns], units=[PIXELS]),
    row("TID 1603 Image View", ACQ, "CODE", [D.ImageView]),
    row("TID 1603 Patient Orientation Row", ACQ, "TEXT", [D.PatientOrientationRow]),
    row("TID 1603 Patient Orientation Column", ACQ, "TEXT", [D.PatientOrientationColumn]),
    row("TID 1603 Horizontal Pixel Spacing", ACQ, "NUM", [D.HorizontalPixelSpacing], units=[MILLIMETRES]),
    row("TID 1603 Vertical Pixel Spacing", ACQ, "NUM", [D.VerticalPixelSpacing], units=[MILLIMETRES]),
)
LIBRARY_1600 = row(
    "TID 1600 row 1 Image Library",
    CONTAINS,
    "CONTAINER",
    [D.ImageLibrary],
    rows=(
        row(
            "TID 1600 row 2 Image Library Group",
            CONTAINS,
            "CONTAINER",
            [D.ImageLibraryGroup],
            "1-n",
            rows=(
                *DESCRIPTORS_1602,
                row("TID 1601 row 1 Image Library Entry", CONTAINS, "IMAGE", None, "1-n", rows=DESCRIPTORS_1602),
            ),
        ),
    ),
)
ALGORITHM_4019 = (
    row("TID 4019 row 1 Algorithm Name", MOD, "TEXT", [D.AlgorithmName], "1"),
    row("TID 4019 row 2 Algorithm Version", MOD, "TEXT", [D.AlgorithmVersion], "1"),
    row("TID 4019 row 3 Algorithm Parameters", MOD, "TEXT", [D.AlgorithmParameters], "0-n"),
)
FINDING_SITE = row(
    "TID 1501 row 8 Finding Site",
    MOD,
    "CODE",
    [S.FindingSite],
    "0-n",
    rows=(row("TID 1501 row 9 Laterality", MOD, "CODE", [S.Laterality], values=SIDES_244),),
)
GROUP_1501 = row(
    "TID 1501 row 1 Measurement Group",
    CONTAINS,
    "CONTAINER",
    [D.MeasurementGroup],
    "1-n",
    template="1501",
    rows=(
        row("TID 1501 row 2 Tracking Identifier", OBS, "TEXT", [D.TrackingIdentifier], "1"),
        row("TID 1501 row 3 Tracking Unique Identifier", OBS, "UIDREF", [D.TrackingUniqueIdentifier], "1"),
        row("TID 1501 row 4 Finding Category", CONTAINS, "CODE", [Code("276214006", "SCT", "Finding category")]),
        row("TID 1501 row 5 Finding", CONTAINS, "CODE", [D.Finding]),
        FINDING_SITE,
        *ALGORITHM_4019,
        row("TID 1501 row 10 Measurement (TID 300)", CONTAINS, "NUM", None, "0-n"),
        row("TID 1501 row 11 Source of the group", CONTAINS, "IMAGE", None, "0-n"),
        row("TID 1501 row 12 Qualitative Evaluation", CONTAINS, "CODE TEXT", None, "0-n"),
    ),
)
TID_1500 = row(
    "TID 1500 row 1 Measurement Report",
    "",
    "CONTAINER",
    TITLES_7021,
    "1",
    template="1500",
    rows=(
        LANGUAGE_1204,
        *DEVICE_1004,
        row("TID 1500 row 4 Procedure reported", MOD, "CODE", [D.ProcedureReported], "1-n"),
        LIBRARY_1600,
        row(
            "TID 1500 row 6 Imaging Measurements",
            CONTAINS,
            "CONTAINER",
            [D.ImagingMeasurements],
            rows=(GROUP_1501,),
        ),
    ),
)
