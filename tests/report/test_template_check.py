"""The template checker finds what outside validators let through, and nothing in what the service writes."""

from copy import deepcopy
from pathlib import Path

import pydicom
import pytest
from planted_faults import CAD_FAULTS, KEY_OBJECT_FAULTS, REPORT_FAULTS, drop, recoded
from report_reading import lines
from result_objects import TREES, results_of
from varied_findings import studies

from triage.report.document_check import check_report
from triage.report.structured_report import Device, write
from triage.report.template_check import ROOTS, check_rows
from triage.report.tree import Item

FAULTS = [
    *(("sr", name, *fault) for name, fault in REPORT_FAULTS.items()),
    *(("cad-sr", name, *fault) for name, fault in CAD_FAULTS.items()),
    *(("kos", name, *fault) for name, fault in KEY_OBJECT_FAULTS.items()),
]


@pytest.fixture(scope="module")
def sound(device: Device) -> dict[str, pydicom.Dataset]:
    return {output: results_of("flagged", device)[output] for output in ("sr", "cad-sr", "kos")}


@pytest.mark.parametrize(("output", "name", "fault", "said"), FAULTS, ids=[f"{one[0]}: {one[1]}" for one in FAULTS])
def test_a_planted_fault_is_found(
    output: str, name: str, fault: object, said: str, sound: dict[str, pydicom.Dataset]
) -> None:
    broken = deepcopy(sound[output])
    fault(broken)  # type: ignore[operator]
    problems = check_report(broken)
    assert any(said in f"{one.row}: {one.text}" for one in problems), problems


@pytest.mark.parametrize("name", studies())
def test_what_the_service_writes_has_no_problem(name: str, device: Device) -> None:
    trees = TREES if name in ("flagged", "implant") else ("sr", "kos", "cad-sr")  # the three SR classes share a tree
    found = {output: ds for output, ds in results_of(name, device).items() if output in trees}
    assert {output: check_report(ds) for output, ds in found.items()} == dict.fromkeys(found, [])


def test_outside_validators_let_these_through(sound: dict[str, pydicom.Dataset], tmp_path: Path) -> None:
    passed = [("sr", drop("126200")), ("cad-sr", drop("111017"))]
    for output, fault in [*passed, ("cad-sr", recoded("111017", ("999", "DCM", "Fine")))]:
        broken = deepcopy(sound[output])
        fault(broken)
        path = tmp_path / "broken.dcm"
        path.write_bytes(write(broken))
        assert lines(["dciodvfy", str(path)])[0] == 0
        assert check_report(pydicom.dcmread(path))


def test_a_problem_says_where_it_is(sound: dict[str, pydicom.Dataset]) -> None:
    broken = deepcopy(sound["cad-sr"])
    recoded("111031", ("MG", "DCM", "Mammography"))(broken)
    (problem,) = check_report(broken)
    assert (problem.place, problem.row) == ("1.2.1.2", "TID 4020 row 3 Image View")
    assert "(MG, DCM)" in problem.text


def test_objects_that_are_no_reports(device: Device) -> None:
    page = results_of("flagged", device)["sc"]
    assert [one.row for one in check_rows(page)] == ["content"]
    assert check_report(pydicom.Dataset())


def test_a_template_that_is_not_known_is_named(sound: dict[str, pydicom.Dataset]) -> None:
    broken = deepcopy(sound["sr"])
    broken.ContentTemplateSequence[0].TemplateIdentifier = "5200"
    broken.ConceptNameCodeSequence[0].CodeValue = "125200"
    assert "template 5200 is not known" in check_rows(broken)[0].text


def test_damaged_trees_are_problems_and_no_errors(sound: dict[str, pydicom.Dataset]) -> None:
    for output, ds in sound.items():
        for keyword in ("ValueType", "RelationshipType", "ConceptNameCodeSequence"):
            broken = deepcopy(ds)
            for item in broken.ContentSequence:
                if keyword in item:
                    del item[keyword]
            assert check_report(broken), (output, keyword)


def test_places_are_those_of_the_standard(sound: dict[str, pydicom.Dataset]) -> None:
    root = Item(sound["cad-sr"], "1")
    assert root.children[1].children[3].place == "1.2.4"
    assert set(ROOTS) == {"1500", "2010", "4000"}
