"""Report: rows of templates of PS3.16 as data, in the form that the template checker reads.

A row says what an item of the tree must be: its relationship to the item above, its value type, its concept name, how
often it comes, which values it may have, and the rows below it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pydicom.sr.coding import Code

Concept = tuple[str, str]
"""Code value and coding scheme designator."""


@dataclass(frozen=True)
class Row:
    """One row of a template. Items are matched to rows by concept name first, so that what else is wrong gets named."""

    name: str
    """`TID 1501 row 5 Finding Site`, for messages."""
    relationship: str
    types: tuple[str, ...]
    concepts: frozenset[Concept] | None
    """Concept names; None for any, empty for items without a name."""
    least: int = 0
    most: int | None = 1
    """None for no limit."""
    values: frozenset[Concept] | None = None
    """Codes of a CODE item; None for any."""
    units: frozenset[Concept] | None = None
    """Units of a NUM item; None for any."""
    rows: tuple["Row", ...] = ()
    extensible: bool = True
    """Other items than those of `rows` may be below."""
    ordered: bool = False
    """The order of `rows` is significant."""
    template: str | None = None
    """Template identifier that the item must state."""
    by_reference: bool = False
    """The item is a reference to another item of the tree."""
    meanings: tuple[tuple[Concept, str], ...] = ()
    """Code meanings of the row's concepts and values, as far as it knows them."""


def row(  # noqa: PLR0913 - a template has this many columns
    name: str,
    relationship: str,
    types: str,
    concepts: Iterable[Code] | None,
    times: str = "0-1",
    *,
    values: Iterable[Code] | None = None,
    units: Iterable[Code] | None = None,
    rows: tuple[Row, ...] = (),
    extensible: bool = True,
    ordered: bool = False,
    template: str | None = None,
    by_reference: bool = False,
) -> Row:
    """A row, with columns in the order of the tables of PS3.16; `times` is such as `1`, `0-1` or `1-n`."""
    least, _, most = times.partition("-")
    known = [*(concepts or ()), *(values or ()), *(units or ())]
    return Row(
        name,
        relationship,
        tuple(types.split()),
        _keys(concepts),
        int(least),
        None if most == "n" else int(most or least),
        _keys(values),
        _keys(units),
        rows,
        extensible,
        ordered,
        template,
        by_reference,
        tuple(((code.value, code.scheme_designator), code.meaning) for code in known),
    )


def _keys(found: Iterable[Code] | None) -> frozenset[Concept] | None:
    return None if found is None else frozenset((code.value, code.scheme_designator) for code in found)
