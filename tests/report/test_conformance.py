"""Invalid values of a source image do not make the report invalid, and none of them reaches the log."""

import logging
import warnings
from pathlib import Path

import pytest
from mg_headers import four_views
from pydicom import config
from pydicom.dataset import Dataset
from report_findings import NORMAL, decided
from report_reading import assert_valid

from triage.report.conformance import conforming
from triage.report.structured_report import Device, structured_report, write

CUT = "x" * 40


def sources(keyword: str, value: object) -> list[Dataset]:
    """Four views whose headers hold a value that pydicom would warn of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return four_views(**{keyword: value})


@pytest.mark.parametrize(
    ("keyword", "value", "sent"),
    [
        ("PatientSex", "f", ""),
        ("PatientAge", "60", None),
        ("StudyTime", "9:30", ""),
        ("StudyTime", "2530", ""),
        ("StudyTime", "093000.5", "093000.5"),
        ("StudyDate", "20250230", ""),
        ("PatientBirthDate", "00000000", ""),
        ("AccessionNumber", "A2345678901234567890", "A234567890123456"),
        ("PatientID", "P-1\n23", "P-123"),
        ("PatientID", ["P-1", "P-2"], "P-1"),
        ("PatientID", "I" * 70, "I" * 64),
        ("IssuerOfPatientID", ["A", "B"], "A"),
        ("PatientName", "N" * 80, "N" * 64),
        ("PatientName", "A^B^C^D^E^F=G=H=I", "A^B^C^D^E=G=H"),
        ("StudyID", "S" * 20, "S" * 16),
        ("StudyDescription", "D" * 80, "D" * 64),
        ("TimezoneOffsetFromUTC", "+9900", None),
        ("TimezoneOffsetFromUTC", "+1401", None),
        ("TimezoneOffsetFromUTC", "+0160", None),
        ("TimezoneOffsetFromUTC", "+1400", "+1400"),
    ],
)
def test_an_invalid_value_is_mended_or_left_out(
    keyword: str, value: object, sent: str | None, device: Device, tmp_path: Path
) -> None:
    datasets = sources(keyword, value)
    ds = structured_report(decided(datasets, [NORMAL] * 4), datasets, [], device)
    assert (str(ds[keyword].value or "") if keyword in ds else None) == sent
    assert ds.StudyInstanceUID == datasets[0].StudyInstanceUID
    assert_valid(write(ds), tmp_path)


def test_an_impossible_time_zone_counts_as_utc(device: Device) -> None:
    datasets = sources("TimezoneOffsetFromUTC", "-9900")
    ds = structured_report(decided(datasets, [NORMAL] * 4), datasets, [], device)
    assert (ds.ContentDate, ds.ContentTime) == ("20261121", "101530")


def test_issuer_codes_are_checked_too(device: Device, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        issuer = Dataset()
        issuer.LocalNamespaceEntityID, issuer.UniversalEntityID, issuer.UniversalEntityIDType = "WARD", "1.2", "iso"
    datasets = sources("IssuerOfPatientIDQualifiersSequence", [issuer])
    (item,) = structured_report(decided(datasets), datasets, [], device).IssuerOfPatientIDQualifiersSequence
    assert item.LocalNamespaceEntityID == "WARD"
    assert "UniversalEntityIDType" not in item


def test_a_cut_is_logged_without_the_value(caplog: pytest.LogCaptureFixture) -> None:
    (source, *_) = sources("AccessionNumber", CUT)
    with caplog.at_level(logging.WARNING):
        assert conforming(source, "AccessionNumber") == CUT[:16]
    assert "AccessionNumber" in caplog.text
    assert CUT[:16] not in caplog.text


@pytest.mark.parametrize("keyword", ["PatientID", "AccessionNumber", "PatientName", "StudyTime", "StudyInstanceUID"])
def test_no_warning_quotes_a_value(keyword: str, device: Device, tmp_path: Path) -> None:
    value = "1..2.0034" if keyword == "StudyInstanceUID" else CUT * 2
    datasets = sources(keyword, value)
    assert config.settings.reading_validation_mode == config.settings.writing_validation_mode == config.IGNORE
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write(structured_report(decided(datasets, [NORMAL] * 4, study_instance_uid=value[:64]), datasets, [], device))
