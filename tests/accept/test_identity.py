"""Which breast and which view: every code of both SNOMED generations, every source, every contradiction."""

import pytest
from mg_headers import code, mg_header
from pydicom.dataset import Dataset

from triage.accept.header import Header
from triage.accept.identity import MODIFIER_CODES, VIEW_CODES, laterality, view


def frame_laterality(side: str) -> list[Dataset]:
    group, anatomy = Dataset(), Dataset()
    anatomy.FrameLaterality = side
    group.FrameAnatomySequence = [anatomy]
    return [group]


@pytest.mark.parametrize(
    ("label", "value", "scheme"),
    [(label, sct, "SCT") for label, sct, _ in VIEW_CODES]
    + [(label, srt, scheme) for label, _, srt in VIEW_CODES for scheme in ("SRT", "SNM3", "99SDM")],
)
def test_both_generations_of_view_codes(label: str, value: str, scheme: str) -> None:
    found = view(Header(mg_header(ViewCodeSequence=[code(value, scheme, "any meaning")])))
    assert (found.label, found.source, found.problem) == (label, "ViewCodeSequence", None)


@pytest.mark.parametrize("generation", ["SCT", "SRT"])
@pytest.mark.parametrize("row", MODIFIER_CODES, ids=lambda row: row[0])
def test_both_generations_of_modifier_codes(row: tuple[str, str, str], generation: str) -> None:
    ds = mg_header()
    ds.ViewCodeSequence[0].ViewModifierCodeSequence = [code(row[1 if generation == "SCT" else 2], generation, "x")]
    assert view(Header(ds)).modifiers == (row[0],)


def test_a_code_of_another_scheme_is_no_view() -> None:
    found = view(Header(mg_header(ViewCodeSequence=[code("399162004", "99HERE", "cranio-caudal")])))
    assert found.label is None
    assert "(399162004, 99HERE, cranio-caudal)" in str(found.problem)


def test_view_position_only_advises() -> None:
    found = view(Header(mg_header(ViewCodeSequence=None, ViewPosition="MLO")))
    assert (found.label, found.source) == ("MLO", "ViewPosition")
    assert found.problem == "The view is not known: ViewCodeSequence is absent."


def test_view_position_may_contradict_the_code() -> None:
    found = view(Header(mg_header("RCC", ViewPosition="MLO")))
    assert found.label is None
    assert "ViewCodeSequence says CC, ViewPosition says MLO" in str(found.problem)


def test_a_vendor_term_in_view_position_contradicts_nothing() -> None:
    assert view(Header(mg_header("RCC", ViewPosition="CC VIEW"))).problem is None


def test_two_view_codes_are_no_view() -> None:
    ds = mg_header()
    ds.ViewCodeSequence.append(ds.ViewCodeSequence[0])
    assert "has 2 items" in str(view(Header(ds)).problem)


@pytest.mark.parametrize(
    ("changes", "value", "source"),
    [
        ({}, "R", "ImageLaterality"),
        ({"ImageLaterality": "l"}, "L", "ImageLaterality"),
        ({"ImageLaterality": None, "SharedFunctionalGroupsSequence": frame_laterality("L")}, "L", "FrameLaterality"),
        ({"ImageLaterality": None, "PerFrameFunctionalGroupsSequence": frame_laterality("R")}, "R", "FrameLaterality"),
        ({"ImageLaterality": None, "Laterality": "L"}, "L", "Laterality"),
        ({"ImageLaterality": None, "SeriesDescription": "L-CC"}, "L", "text"),
        ({"ImageLaterality": None, "ProtocolName": "RMLO"}, "R", "text"),
        ({"ImageLaterality": None, "SeriesDescription": "LEFT BREAST"}, "L", "text"),
        ({"ImageLaterality": None, "SeriesDescription": "R CC, L CC, R MLO, L MLO"}, None, ""),
        ({"ImageLaterality": None}, None, ""),
        ({"ImageLaterality": "B"}, "B", "ImageLaterality"),
        ({"ImageLaterality": ["R", "L"]}, None, "ImageLaterality"),
    ],
)
def test_laterality_sources(changes: dict[str, object], value: str | None, source: str) -> None:
    found = laterality(Header(mg_header(**changes)))
    assert (found.value, found.source, found.conflict) == (value, source, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"Laterality": "L"},
        {"SharedFunctionalGroupsSequence": frame_laterality("L")},
        {"SeriesDescription": "LCC"},
        {"ProtocolName": "LEFT CC"},
    ],
)
def test_contradicting_sources_name_no_breast(changes: dict[str, object]) -> None:
    found = laterality(Header(mg_header("RCC", **changes)))
    assert found.value is None
    assert "ImageLaterality says R" in str(found.conflict)
    assert "says L" in str(found.conflict)
