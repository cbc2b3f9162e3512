"""Report: reading the content tree of a structured report. Input: a data set. Output: items with their places.

Reads what is there and judges nothing; damaged and absent elements read as empty.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from pydicom.dataset import Dataset

from triage.report.rows import Concept
from triage.report.source import text


@dataclass(frozen=True)
class Item:
    """One content item."""

    ds: Dataset
    place: str
    """Positions from the root, as in (0040,DB73): `1.2.4`."""

    @cached_property
    def relationship(self) -> str:
        """To the item above; empty at the root."""
        return text(self.ds, "RelationshipType")

    @cached_property
    def type(self) -> str:
        """Value type; empty for a reference to another item."""
        return text(self.ds, "ValueType")

    @cached_property
    def is_reference(self) -> bool:
        """True if the item only points to another one."""
        return "ReferencedContentItemIdentifier" in self.ds

    @cached_property
    def concept(self) -> Concept | None:
        """Concept name; None if there is none."""
        return concept_of(self.ds, "ConceptNameCodeSequence")

    @cached_property
    def value(self) -> Concept | None:
        """The code of a CODE item; None if there is none."""
        return concept_of(self.ds, "ConceptCodeSequence")

    @cached_property
    def number(self) -> float | None:
        """The number of a NUM item; None if there is none."""
        for measured in items_of(self.ds, "MeasuredValueSequence"):
            try:
                return float(text(measured, "NumericValue"))
            except ValueError:
                return None
        return None

    @cached_property
    def unit(self) -> Concept | None:
        """The unit of a NUM item; None if there is none."""
        for measured in items_of(self.ds, "MeasuredValueSequence"):
            return concept_of(measured, "MeasurementUnitsCodeSequence")
        return None

    @cached_property
    def template(self) -> str:
        """Template identifier that the item states; empty if none."""
        return "".join(text(one, "TemplateIdentifier") for one in items_of(self.ds, "ContentTemplateSequence"))

    @cached_property
    def children(self) -> tuple["Item", ...]:
        """The items directly below."""
        below = items_of(self.ds, "ContentSequence")
        return tuple(Item(one, f"{self.place}.{number}") for number, one in enumerate(below, start=1))

    def of(self, value: str) -> list["Item"]:
        """The items directly below whose concept name has this code value."""
        return [child for child in self.children if child.concept and child.concept[0] == value]


def walk(item: Item) -> Iterator[Item]:
    """The item and everything below it, in order."""
    yield item
    for child in item.children:
        yield from walk(child)


def items_of(ds: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence; none if it is absent, empty or no sequence."""
    try:
        found = ds[keyword].value if keyword in ds else ()
        return [one for one in found if isinstance(one, Dataset)]
    except Exception:  # as in triage.report.source
        return []


def concept_of(ds: Dataset, keyword: str) -> Concept | None:
    """Code value and scheme of the first item; code values of any length (PS3.3 8.1)."""
    for item in items_of(ds, keyword):
        value = text(item, "CodeValue") or text(item, "LongCodeValue") or text(item, "URNCodeValue")
        return value, text(item, "CodingSchemeDesignator")
    return None


def meaning_of(ds: Dataset, keyword: str) -> str:
    """Code meaning of the first item."""
    return next((text(item, "CodeMeaning") for item in items_of(ds, keyword)), "")
