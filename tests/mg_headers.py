"""Headers of a valid digital mammography exam, without pixels, for tests of header rules and reports."""

import random

from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

MG = "1.2.840.10008.5.1.4.1.1.1.2"
EXPLICIT = str(ExplicitVRLittleEndian)
STUDY = "1.2.826.0.1.3680043.10.1338.1"
VIEW_CODES = {"CC": ("399162004", "cranio-caudal"), "MLO": ("399368009", "medio-lateral oblique")}
ORIENTATION = {"RCC": ["P", "L"], "LCC": ["A", "R"], "RMLO": ["P", "FL"], "LMLO": ["A", "FR"]}
VIEWS = tuple(ORIENTATION)


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """A code sequence item."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def mg_header(view: str = "RCC", **changes: object) -> Dataset:
    """The header of one screening view; `changes` are DICOM keywords, None deletes the element."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID, ds.SOPInstanceUID = MG, f"{STUDY}.2.{VIEWS.index(view) + 1}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = STUDY, f"{STUDY}.1.{VIEWS.index(view) + 1}"
    ds.PatientName, ds.PatientID, ds.IssuerOfPatientID = "Doe^Jane", "P-0001", "HOSPITAL"
    ds.PatientBirthDate, ds.PatientSex, ds.PatientAge = "19650101", "F", "060Y"
    ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = "20250314", "093000", "1", "ACC0001"
    ds.ReferringPhysicianName, ds.StudyDescription = "Ref^Doc", "Mammography screening"
    ds.Modality, ds.SeriesNumber, ds.SeriesDescription, ds.InstanceNumber = "MG", 1, "Phantom exam", 1
    ds.AcquisitionDate, ds.AcquisitionTime, ds.ContentDate, ds.ContentTime = "20250314", "093001", "20250314", "093002"
    ds.Manufacturer, ds.ManufacturerModelName, ds.DeviceSerialNumber = "PHANTOM-A", "Model A", "SN1"
    ds.SoftwareVersions, ds.InstitutionName, ds.StationName = "1.0", "Test hospital", "MG1"
    ds.ImageType, ds.PresentationIntentType = ["DERIVED", "PRIMARY"], "FOR PRESENTATION"
    ds.ImageLaterality, ds.BodyPartExamined, ds.PatientOrientation = view[0], "BREAST", ORIENTATION[view]
    ds.ViewCodeSequence = [code(VIEW_CODES[view[1:]][0], "SCT", VIEW_CODES[view[1:]][1])]
    ds.ViewCodeSequence[0].ViewModifierCodeSequence = []
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.Rows, ds.Columns = 1, "MONOCHROME2", 2560, 2048
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.ImagerPixelSpacing = ["0.1", "0.1"]
    ds.BurnedInAnnotation, ds.LossyImageCompression = "NO", "00"
    for keyword, value in changes.items():
        if value is None:
            del ds[keyword]
        else:
            setattr(ds, keyword, value)
    return ds


def four_views(**changes: object) -> list[Dataset]:
    """The complete exam RCC, LCC, RMLO, LMLO, each with the same changes."""
    return [mg_header(view, **changes) for view in VIEWS]


GARBAGE = (
    b"",
    b"\x00",
    b"\xff\xfe\x00\x01",
    b"R\\L",
    b"-1",
    b"1e999",
    b"\x1b$B;3",
    b"A" * 300,
    b"\xfe\xff\x00\xe0\x08\x00\x00\x00",
)


def mutate(ds: Dataset, chance: random.Random) -> set[str]:
    """Damage 1 to 8 elements in place; returns the keywords that were deleted or emptied."""
    gone = set()
    for tag in chance.sample(sorted(ds.keys()), chance.randint(1, 8)):
        keyword = keyword_for_tag(tag)
        match chance.randrange(4):
            case 0:
                del ds[tag]
                gone.add(keyword)
            case 1:
                ds._dict[tag] = RawDataElement(tag, chance.choice(["CS", "LO"]), 0, b"", 0, False, True)
                gone.add(keyword)
            case 2:
                value, vr = (
                    chance.choice(GARBAGE),
                    chance.choice(["CS", "US", "SQ", "DS", "PN", "UI", "OB", "UN", "ZZ"]),
                )
                ds._dict[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)
            case 3 if ds[tag].VR not in ("SQ", "US"):
                ds[tag].value = ["X", "Y"] if ds[tag].VR in ("CS", "LO", "SH") else ds[tag].value
    return gone
