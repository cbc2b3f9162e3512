"""Faults to plant in reports, each with a word of what the checker must say. dciodvfy lets most of them through."""

from collections.abc import Callable, Iterator

from pydicom.dataset import Dataset

Fault = Callable[[Dataset], None]


def every(ds: Dataset, value: str = "") -> Iterator[tuple[Dataset, Dataset]]:
    """Items with the item above, in order; those of one concept name if given."""
    for item in ds.get("ContentSequence", []):
        name = item.get("ConceptNameCodeSequence")
        if not value or (name and name[0].CodeValue == value):
            yield ds, item
        yield from every(item, value)


def first(ds: Dataset, value: str) -> Dataset:
    return next(item for _, item in every(ds, value))


def last(ds: Dataset, value: str) -> Dataset:
    return [item for _, item in every(ds, value)][-1]


def drop(value: str, place: int = 0) -> Fault:
    def fault(ds: Dataset) -> None:
        parent, item = list(every(ds, value))[place]
        parent.ContentSequence = [one for one in parent.ContentSequence if one is not item]
        if not parent.ContentSequence:
            del parent.ContentSequence

    return fault


def twice(value: str) -> Fault:
    def fault(ds: Dataset) -> None:
        parent, item = next(every(ds, value))
        parent.ContentSequence.append(item)

    return fault


def related(value: str, relationship: str) -> Fault:
    return lambda ds: setattr(first(ds, value), "RelationshipType", relationship)


def recoded(value: str, new: tuple[str, str, str], place: int = 0, sequence: str = "ConceptCodeSequence") -> Fault:
    def fault(ds: Dataset) -> None:
        code = list(every(ds, value))[place][1][sequence].value[0]
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = new

    return fault


def meaning(value: str, text: str) -> Fault:
    return lambda ds: setattr(first(ds, value).ConceptNameCodeSequence[0], "CodeMeaning", text)


def numbered(value: str, number: str, place: int = 0) -> Fault:
    return lambda ds: setattr(list(every(ds, value))[place][1].MeasuredValueSequence[0], "NumericValue", number)


def unit(value: str) -> Fault:
    def fault(ds: Dataset) -> None:
        code = first(ds, value).MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0]
        code.CodeValue, code.CodeMeaning = "%", "percent"

    return fault


def renamed(value: str, new: tuple[str, str, str], place: int = 0) -> Fault:
    return recoded(value, new, place, "ConceptNameCodeSequence")


def swapped(ds: Dataset) -> None:
    items = list(ds.ContentSequence)
    items[2], items[3] = items[3], items[2]
    ds.ContentSequence = items


def templated(value: str, identifier: str) -> Fault:
    def fault(ds: Dataset) -> None:
        item = first(ds, value) if value else ds
        item.ContentTemplateSequence[0].TemplateIdentifier = identifier

    return fault


def emptied(ds: Dataset) -> None:
    first(ds, "126010").ContentSequence = []


def dangling(ds: Dataset) -> None:
    first(ds, "111004").ContentSequence[-1].ReferencedContentItemIdentifier = [1, 2, 99]


def off_library(ds: Dataset) -> None:
    first(ds, "111004").ContentSequence[-1].ReferencedContentItemIdentifier = [1, 1]


def unlisted(ds: Dataset) -> None:
    (study,) = ds.CurrentRequestedProcedureEvidenceSequence
    study.ReferencedSeriesSequence = list(study.ReferencedSeriesSequence)[1:]


def misclassed(ds: Dataset) -> None:
    (study, *_) = ds.CurrentRequestedProcedureEvidenceSequence
    for series in study.ReferencedSeriesSequence:
        series.ReferencedSOPSequence[0].ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"


def same_tracking(ds: Dataset) -> None:
    last(ds, "112040").UID = first(ds, "112040").UID


def undeclared(ds: Dataset) -> None:
    del ds.CodingSchemeIdentificationSequence


def assessed(ds: Dataset) -> None:
    item = first(ds, "111017")
    item.ContentSequence = [Dataset()]
    below = item.ContentSequence[0]
    below.RelationshipType, below.ValueType = "HAS PROPERTIES", "CODE"
    below.ConceptNameCodeSequence, below.ConceptCodeSequence = [Dataset()], [Dataset()]
    for code, (value, scheme, text) in (
        (below.ConceptNameCodeSequence[0], ("111005", "DCM", "Assessment Category")),
        (below.ConceptCodeSequence[0], ("II.AC.b.1", "BI", "1 - Negative")),
    ):
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, text


def silent(ds: Dataset) -> None:
    for _, item in every(ds, "121106"):
        item.TextValue = "All is well."


def blank(value: str) -> Fault:
    return lambda ds: setattr(first(ds, value), "TextValue", " ")


MG, T = ("MG", "DCM", "Mammography"), "99MTRIAGE"
REPORT_FAULTS: dict[str, tuple[Fault, str]] = {
    "no language": (drop("121049"), "TID 1204"),
    "language in another relationship": (related("121049", "HAS OBS CONTEXT"), "TID 1204"),
    "two languages": (twice("121049"), "TID 1204"),
    "no procedure": (drop("121058"), "TID 1500 row 4"),
    "no measurements": (drop("126010"), "TID 1500 row 6"),
    "measurements without groups": (emptied, "TID 1501 row 1"),
    "two image libraries": (twice("111028"), "TID 1600 row 1"),
    "library without groups": (drop("126200"), "TID 1600 row 2"),
    "two modalities of an image": (twice("121139"), "TID 1602 row 1"),
    "laterality of another context group": (recoded("111027", MG), "TID 1602 row 3"),
    "rows in percent": (unit("110910"), "TID 1602 row 11"),
    "spacing in percent": (unit("111026"), "TID 1603 Horizontal"),
    "no observer": (drop("121005"), "TID 1001"),
    "observer neither person nor device": (recoded("121005", MG), "TID 1002 row 1"),
    "device without UID": (drop("121012"), "TID 1004 row 1"),
    "no tracking identifier": (drop("112039"), "TID 1501 row 2"),
    "no tracking UID": (drop("112040"), "TID 1501 row 3"),
    "two images with one tracking UID": (same_tracking, "tracking"),
    "side of another context group": (recoded("272741003", MG), "TID 1501 row 9"),
    "site that contains": (related("363698007", "CONTAINS"), "TID 1501 row 8"),
    "group of no template": (templated("125007", "300"), "TID 1501 row 1"),
    "unknown root template": (templated("", "1501"), "template"),
    "title of another document": (
        lambda ds: setattr(ds.ConceptNameCodeSequence[0], "CodeValue", "111036"),
        "TID 1500 row 1",
    ),
    "no algorithm name": (drop("111001"), "algorithm name"),
    "no algorithm version": (drop("111003"), "version"),
    "instance outside the evidence": (unlisted, "evidence"),
    "another class in the evidence": (misclassed, "evidence"),
    "scheme not declared": (undeclared, "coding scheme"),
    "code with the meaning of another": (meaning("121058", "Finding"), "code"),
    "private code that does not exist": (recoded("TRI-001", ("TRI-999", T, "Very normal")), "code"),
    "private code with another meaning": (recoded("TRI-001", ("TRI-110", T, "Image not flagged")), "code"),
    "probability of cancer": (renamed("TRI-010", ("111047", "DCM", "Probability of cancer")), "claim"),
    "BI-RADS category": (recoded("TRI-001", ("397140005", "SCT", "BI-RADS category 1"), -1), "claim"),
    "normal as a diagnosis": (recoded("TRI-001", ("17621005", "SCT", "Normal"), -1), "claim"),
    "exam flagged over an image that is not": (
        recoded("TRI-001", ("TRI-111", T, "Image not flagged")),
        "exam category",
    ),
    "category against the score": (numbered("TRI-010", "0.5"), "image category"),
    "score that is no number": (numbered("TRI-010", "nan"), "value of NUM"),
    "score in percent": (unit("TRI-010"), "measurement group"),
    "image without a category": (drop("TRI-001"), "measurement group"),
    "image without a score": (drop("TRI-010"), "image category"),
    "image flagged without a threshold": (drop("TRI-011"), "image category"),
    "image with an exam's category": (
        recoded("TRI-001", ("TRI-100", T, "Confidently normal")),
        "image category",
    ),
    "two exams": (lambda ds: setattr(first(ds, "112039"), "TextValue", "exam"), "exam group"),
    "three images are enough": (drop("125007"), "exam category"),
    "not evaluated without a reason": (recoded("TRI-001", ("TRI-900", T, "Not evaluated"), -1), "exam category"),
    "silent about the radiologist": (silent, "exam category"),
    "empty comment": (blank("121106"), "value of TEXT"),
    "verified by nobody": (lambda ds: setattr(ds, "VerificationFlag", "VERIFIED"), "verification"),
}
CAD_FAULTS: dict[str, tuple[Fault, str]] = {
    "no image library": (drop("111028"), "TID 4000 row 3"),
    "no overall summary": (drop("111017"), "TID 4001 row 1"),
    "summary of another context group": (recoded("111017", ("999", "DCM", "Fine")), "TID 4001 row 1"),
    "order changed": (swapped, "order is significant"),
    "no detections": (drop("111064"), "TID 4000 row 6"),
    "detections claimed": (recoded("111064", ("111222", "DCM", "Succeeded")), "TID 4000 row 6"),
    "analyses neither done nor failed": (recoded("111065", MG), "TID 4000 row 8"),
    "dangling reference": (dangling, "reference"),
    "reference to no image": (off_library, "reference"),
    "image without a view": (drop("111031"), "TID 4020 row 3"),
    "view that does not exist": (recoded("111031", MG), "TID 4020 row 3"),
    "image without laterality": (drop("111027"), "TID 4020 row 2"),
    "analysis of another context group": (recoded("111004", MG), "TID 4018 row 1"),
    "analysis without an algorithm": (drop("111001"), "TID 4019 row 1"),
    "assessment category": (assessed, "claim"),
    "an impression": (renamed("111065", ("111034", "DCM", "Individual Impression/Recommendation")), "TID 4000"),
}
KEY_OBJECT_FAULTS: dict[str, tuple[Fault, str]] = {
    "no objects": (
        lambda ds: setattr(ds, "ContentSequence", [one for one in ds.ContentSequence if one.ValueType != "IMAGE"]),
        "TID 2010 row 7",
    ),
    "title of another context group": (
        lambda ds: setattr(ds.ConceptNameCodeSequence[0], "CodeValue", "126000"),
        "TID 2010 row 1",
    ),
    "two descriptions": (twice("113012"), "TID 2010 row 6"),
    "a measurement among the objects": (
        renamed("113012", ("121106", "DCM", "Comment")),
        "not in the template",
    ),
}
