"""Report: content items of structured reports as plain data sets (PS3.3 C.17.3), for documents beyond TID 1500.

highdicom has no classes for TID 4000, and its items cannot refer to another item of the tree.
"""

from collections.abc import Sequence

from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from triage.report.composite import Device
from triage.report.identifiers import uid

CONTAINS, PROPERTIES, INFERRED = "CONTAINS", "HAS PROPERTIES", "INFERRED FROM"
ACQUISITION, CONTEXT, MODIFIER = "HAS ACQ CONTEXT", "HAS OBS CONTEXT", "HAS CONCEPT MOD"
ENGLISH = Code("en-US", "RFC5646", "English (United States)")


def coded(code: Code) -> Dataset:
    """Code Sequence macro (PS3.3 table 8.8-1)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item


def root(name: Code, template: str, children: Sequence[Dataset]) -> Dataset:
    """The document's container, of a template of PS3.16."""
    ds = container("", name, children)
    del ds.RelationshipType
    identification = Dataset()
    identification.MappingResource, identification.TemplateIdentifier = "DCMR", template
    ds.ContentTemplateSequence = [identification]
    return ds


def container(relationship: str, name: Code, children: Sequence[Dataset]) -> Dataset:
    """CONTAINER, its parts separate."""
    ds = _item(relationship, "CONTAINER", name, children)
    ds.ContinuityOfContent = "SEPARATE"
    return ds


def code(relationship: str, name: Code, value: Code, children: Sequence[Dataset] = ()) -> Dataset:
    """CODE."""
    ds = _item(relationship, "CODE", name, children)
    ds.ConceptCodeSequence = [coded(value)]
    return ds


def text(relationship: str, name: Code, value: str) -> Dataset:
    """TEXT."""
    ds = _item(relationship, "TEXT", name)
    ds.TextValue = value
    return ds


def uidref(relationship: str, name: Code, value: str) -> Dataset:
    """UIDREF."""
    ds = _item(relationship, "UIDREF", name)
    ds.UID = value
    return ds


def date(relationship: str, name: Code, value: str) -> Dataset:
    """DATE."""
    ds = _item(relationship, "DATE", name)
    ds.Date = value
    return ds


def time(relationship: str, name: Code, value: str) -> Dataset:
    """TIME."""
    ds = _item(relationship, "TIME", name)
    ds.Time = value
    return ds


def number(relationship: str, name: Code, value: str, unit: Code) -> Dataset:
    """NUM; `value` as a decimal string of at most 16 characters."""
    measured = Dataset()
    measured.NumericValue, measured.MeasurementUnitsCodeSequence = value, [coded(unit)]
    ds = _item(relationship, "NUM", name)
    ds.MeasuredValueSequence = [measured]
    return ds


def image(relationship: str, reference: Dataset, children: Sequence[Dataset] = ()) -> Dataset:
    """IMAGE without a concept name, as templates 2010 and 4020 have it."""
    ds = _item(relationship, "IMAGE", None, children)
    ds.ReferencedSOPSequence = [reference]
    return ds


def composite(relationship: str, reference: Dataset) -> Dataset:
    """COMPOSITE: an instance that is no image."""
    ds = _item(relationship, "COMPOSITE", None)
    ds.ReferencedSOPSequence = [reference]
    return ds


def by_reference(relationship: str, path: Sequence[int]) -> Dataset:
    """Another item of this document, by its positions from the root, which is 1 (PS3.3 table C.17-6)."""
    ds = Dataset()
    ds.RelationshipType, ds.ReferencedContentItemIdentifier = relationship, list(path)
    return ds


def language() -> Dataset:
    """TID 1204."""
    return code(MODIFIER, codes.DCM.LanguageOfContentItemAndDescendants, ENGLISH)


def device_observer(device: Device) -> list[Dataset]:
    """TID 1002 and 1004: the service observed it, nobody else."""
    return [
        code(CONTEXT, codes.DCM.ObserverType, codes.DCM.Device),
        uidref(CONTEXT, codes.DCM.DeviceObserverUID, device_uid(device)),
        text(CONTEXT, codes.DCM.DeviceObserverName, device.name),
        text(CONTEXT, codes.DCM.DeviceObserverManufacturer, device.manufacturer),
        text(CONTEXT, codes.DCM.DeviceObserverModelName, device.model_name),
        text(CONTEXT, codes.DCM.DeviceObserverSerialNumber, device.serial_number),
    ]


def device_uid(device: Device) -> str:
    """One UID for each installed service."""
    return uid("/".join([device.manufacturer, device.model_name, device.serial_number]), "device")


def _item(relationship: str, value_type: str, name: Code | None, children: Sequence[Dataset] = ()) -> Dataset:
    ds = Dataset()
    ds.RelationshipType, ds.ValueType = relationship, value_type
    if name is not None:
        ds.ConceptNameCodeSequence = [coded(name)]
    if children:
        ds.ContentSequence = list(children)
    return ds
