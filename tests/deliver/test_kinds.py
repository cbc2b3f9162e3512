"""Senders by the names of the configuration."""

from pathlib import Path

import pytest

from triage.core.errors import ConfigurationError
from triage.deliver.c_store import CStore
from triage.deliver.kinds import SENDERS, sender
from triage.deliver.mllp import Mllp
from triage.deliver.stow import Stow


def test_each_kind_has_its_sender() -> None:
    c_store = sender("c-store", calling_ae_title="TRIAGE", ae_title="PACS", host="pacs", port=104)
    assert c_store == CStore("TRIAGE", "PACS", "pacs", 104)
    assert sender("hl7", host="ris", port=2575, answer_seconds=5.0) == Mllp("ris", 2575, answer_seconds=5.0)
    stow = sender("stow", url="https://pacs/dicom-web", authorization="bearer", secret_file=Path("token"))
    assert stow == Stow("https://pacs/dicom-web", None, "bearer", Path("token"))
    assert set(SENDERS) == {"c-store", "stow", "hl7"}


def test_what_is_wrong_is_named() -> None:
    with pytest.raises(ConfigurationError, match="'fax' is none of c-store, stow, hl7"):
        sender("fax", host="ris", port=1)
    with pytest.raises(ConfigurationError, match="hl7: .*port"):
        sender("hl7", host="ris")
    with pytest.raises(ConfigurationError, match="ae_title"):
        sender("stow", url="https://pacs", ae_title="PACS")
