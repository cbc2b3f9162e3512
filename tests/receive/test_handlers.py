"""Statuses for data sets that cannot come from a well-behaved sender."""

import gc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from dicom_samples import four_datasets, mg_dataset, write
from mg_headers import MG, STUDY
from pydicom.uid import ComprehensiveSRStorage

from triage.accept.exam_rules import exam_reasons
from triage.accept.header_rules import describe
from triage.core.study import InstanceHeader
from triage.receive.handlers import DATA_SET_MISMATCH, OUT_OF_RESOURCES, SUCCESS, Received, StoreHandler
from triage.receive.spool import SpoolFile
from triage.store.blobs import Blobs
from triage.store.ledger import Ledger

pytestmark = [  # the damaged headers have some
    pytest.mark.filterwarnings("ignore:Invalid value for VR UI"),
    pytest.mark.filterwarnings("ignore:The PN component length"),
    pytest.mark.filterwarnings("ignore:F(ailed to decode|ound unknown escape):UserWarning:pydicom"),
]
EXPLICIT = "1.2.840.10008.1.2.1"


@pytest.fixture
def handler(ledger: Ledger, tmp_path: Path) -> StoreHandler:
    return StoreHandler(Blobs(tmp_path / "spool"), ledger, describe, lambda _instances, _first, last: last)


@pytest.fixture
def received(handler: StoreHandler) -> Received:
    """A valid image, as it lies in the folder of incoming files."""
    return Received(write(mg_dataset(), handler.blobs.incoming), MG, f"{STUDY}.2.1.1", EXPLICIT)


def test_a_valid_image_is_stored(handler: StoreHandler, received: Received) -> None:
    assert handler.store(received) == SUCCESS
    assert len(handler.ledger.instances(STUDY)) == 1


@pytest.mark.parametrize(
    "command", [{"sop_instance_uid": "1.2.3"}, {"sop_class_uid": "1.2.3"}, {"sop_class_uid": ComprehensiveSRStorage}]
)
def test_a_data_set_that_contradicts_the_command_is_refused(
    handler: StoreHandler, received: Received, command: dict[str, str]
) -> None:
    assert handler.store(replace(received, **command)) == DATA_SET_MISMATCH
    assert handler.ledger.worklist() == ([], None)


@pytest.mark.parametrize(
    "harm",
    [
        lambda content: content[:400],
        lambda content: content[:400] + bytes(range(256)) * 20,
        lambda content: content[: 144 + int.from_bytes(content[140:144], "little")],
    ],
    ids=["cut", "garbage", "empty"],
)
def test_an_unreadable_data_set_is_kept_and_shown(
    handler: StoreHandler, received: Received, harm: Callable[[bytes], bytes]
) -> None:
    received.path.write_bytes(harm(received.path.read_bytes()))
    assert handler.store(received) == SUCCESS
    [row], _ = handler.ledger.worklist()
    [stored] = handler.ledger.instances(row.study_instance_uid)
    assert stored.header.sop_instance_uid == received.sop_instance_uid
    assert "undecodable" in {one.code for one in stored.header.reasons}
    assert Path(stored.path).exists()


def failing(*_: object) -> InstanceHeader:
    raise KeyError("bug")


def test_header_rules_that_fail_do_not_lose_the_image(handler: StoreHandler, received: Received) -> None:
    assert replace(handler, describe=failing).store(received) == SUCCESS
    [stored] = handler.ledger.instances(STUDY)
    assert [one.code for one in stored.header.reasons] == ["undecodable"]


def test_a_study_that_cannot_be_told_is_made_up(handler: StoreHandler, received: Received) -> None:
    write(mg_dataset(StudyInstanceUID="not a UID"), received.path.parent, received.path.name)
    assert replace(handler, describe=failing).store(received) == SUCCESS
    [row], _ = handler.ledger.worklist()
    assert row.study_instance_uid.startswith("2.25.")


def no_length_known(tag: bytes) -> bytes:
    """An element that claims to be a sequence of unknown length and holds none: nobody can read on from there."""
    return tag + b"SQ\0\0\xff\xff\xff\xff" + b"\1" * 8


@pytest.mark.parametrize(
    "harm",
    [
        lambda content: content.replace(b"\x10\0\x10\0PN", no_length_known(b"\x10\0\x10\0")),
        lambda content: content.replace(b"\x28\0\x10\0US", no_length_known(b"\x28\0\x10\0")),
        lambda content: content.replace(b"\x10\0\x10\0PN\x08\0", b"\x10\0\x10\0PN\xff\xff"),
        lambda content: content.replace(f"{STUDY}.2.1.1".encode(), b"\7" * len(f"{STUDY}.2.1.1")),
    ],
    ids=["before-the-study", "after-the-study", "swallowed", "sop-instance"],
)
def test_a_damaged_image_spoils_the_exam_it_belongs_to(
    handler: StoreHandler, received: Received, harm: Callable[[bytes], bytes]
) -> None:
    content = received.path.read_bytes()
    received.path.write_bytes(harm(content))
    assert received.path.read_bytes() != content
    assert handler.store(received) == SUCCESS
    others = [write(ds, handler.blobs.incoming) for ds in four_datasets()[1:]]
    for number, path in enumerate(others, 2):
        assert handler.store(replace(received, path=path, sop_instance_uid=f"{STUDY}.2.{number}.1")) == SUCCESS
    stored = handler.ledger.instances(STUDY)
    assert len(stored) == 4
    assert "undecodable" in {one.code for one in exam_reasons([one.header for one in stored])}


def test_a_file_that_vanished_is_refused(handler: StoreHandler, received: Received) -> None:
    received.path.unlink()
    assert handler.store(received) == OUT_OF_RESOURCES


def test_the_file_of_an_aborted_transfer_goes_away(tmp_path: Path) -> None:
    file = SpoolFile(tmp_path)
    assert file.write(b"half an image") == 13
    assert len(list(tmp_path.iterdir())) == 1
    del file
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_spool_that_cannot_be_written_drops_what_comes(tmp_path: Path) -> None:
    file = SpoolFile(tmp_path / "absent")
    assert file.write(b"bytes") == 5
    file.flush()
    file.close()
    assert not Path(file.name).exists()
