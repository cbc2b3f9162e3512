"""The structured report before outside validators and highdicom's reader."""

import random
import warnings
from io import BytesIO
from pathlib import Path

import highdicom as hd
import pydicom
import pytest
from mg_headers import four_views, mutate
from report_findings import CASES, NORMAL, PREDECESSOR, case, decided
from report_reading import assert_valid, groups, values

from triage.core.finding import Outcome
from triage.core.reasons import CODE_VALUES, reason
from triage.report.structured_report import Device, structured_report, write


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("revision", [False, True], ids=["first", "revision"])
def test_outside_validators_find_no_error(
    name: str, revision: bool, device: Device, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    finding, datasets = case(name, request.getfixturevalue("data_dir") if name in ("ge", "siemens") else None)
    ds = structured_report(finding, datasets, [PREDECESSOR] if revision else [], device)
    assert_valid(write(ds), tmp_path)


def test_the_warning_list_would_not_hide_a_broken_report(device: Device, tmp_path: Path) -> None:
    finding, datasets = case("flagged")
    ds = structured_report(finding, datasets, [], device)
    del ds.CompletionFlag
    with pytest.raises(AssertionError):
        assert_valid(write(ds), tmp_path)


@pytest.mark.parametrize("name", ["flagged", "implant", "one-view", "set-aside", "bare"])
def test_highdicom_reads_it_back(name: str, device: Device, tmp_path: Path) -> None:
    finding, datasets = case(name)
    path = tmp_path / "report.dcm"
    path.write_bytes(write(structured_report(finding, datasets, [], device)))
    report = hd.sr.srread(path)
    assert isinstance(report, hd.sr.Comprehensive3DSR)
    found = report.content.get_image_measurement_groups()
    assert len(found) == len(finding.images) + 1
    assert found[-1].tracking_identifier == "exam"
    assert len(found[0].get_measurements()) == (0 if finding.outcome is Outcome.NOT_EVALUATED else 2)


def test_every_reason_of_the_catalogue_can_be_reported(device: Device, tmp_path: Path) -> None:
    reasons = tuple(reason(code) for code in CODE_VALUES)
    finding = decided(four_views(), reasons=reasons, outcome=Outcome.NOT_EVALUATED)
    ds = structured_report(finding, four_views(), [], device)
    assert values(groups(ds)[-1], "TRI-012") == list(CODE_VALUES.values())
    assert_valid(write(ds), tmp_path)


def test_images_without_a_header_are_listed_from_the_finding(device: Device, tmp_path: Path) -> None:
    finding, datasets = case("flagged")
    assert_valid(write(structured_report(finding, datasets[:1], [], device)), tmp_path)


@pytest.mark.parametrize("seed", range(60))
def test_no_damage_keeps_the_report_back(seed: int, device: Device) -> None:
    datasets = four_views()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mutate(datasets[seed % 4], random.Random(seed))
        finding = decided(datasets, [NORMAL] * 4, study_instance_uid="1.2.3")
        ds = pydicom.dcmread(BytesIO(write(structured_report(finding, datasets, [], device))))
    assert len(groups(ds)) == 5
