"""The key that a threshold holds for."""

from dataclasses import replace

from triage.core.strata import Stratum, stratum_of

FULL = {
    "InstitutionName": " Site ",
    "Manufacturer": "M",
    "ManufacturerModelName": "1",
    "SoftwareVersions": "a\\b",
    "DetectorType": "DIRECT",
}


def test_it_is_what_the_header_says_without_padding() -> None:
    found = stratum_of(FULL, "ab" * 32, "1")
    assert found == Stratum("Site", "M", "1", "a\\b", "DIRECT", "ab" * 32, "1")
    assert found.device == "M 1 a\\b"
    assert found.unnamed == ()


def test_every_part_makes_another_key() -> None:
    one = stratum_of(FULL, "ab" * 32, "1")
    others = [replace(one, **{name: "other"}) for name in one.__dataclass_fields__]
    assert len({one.id, *(other.id for other in others)}) == 8


def test_parts_do_not_run_into_each_other() -> None:
    one = Stratum("", "M", "1", "2", "D", "", "1")
    assert one.id != Stratum("", "M1", "", "2", "D", "", "1").id


def test_what_a_device_does_not_say_of_itself_is_named() -> None:
    found = stratum_of({"InstitutionName": "Site", "Manufacturer": "M", "SoftwareVersions": " "}, "", "1")
    assert found.unnamed == ("ManufacturerModelName", "SoftwareVersions", "DetectorType")
    assert stratum_of({}, "", "1").device == "unnamed"
