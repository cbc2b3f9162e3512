"""From settings to senders: every kind of destination, and what keeps the service from starting."""

from pathlib import Path

import pytest

from triage import destinations
from triage.core.errors import ConfigurationError, TriageError
from triage.core.finding import Outcome
from triage.settings import Settings, load
from triage.store.database import open_database
from triage.store.ledger import Ledger

ALL = """
[[destination]]
name = "pacs"
ae_title = "PACS"
outputs = ["sr", "sc", "gsps", "kos", "pdf"]
storage_commitment = true

[[destination]]
name = "archive"
kind = "stow"
url = "http://127.0.0.1:9/dicom-web"

[[destination]]
name = "ris"
kind = "hl7"
port = 2576
receiving_application = "RIS"
ordered_priority = "R"
priorities = { not_flagged = "A" }
"""


def settings(tmp_path: Path, text: str) -> Settings:
    (tmp_path / "triage.toml").write_text(text)
    return load(tmp_path / "triage.toml", home=tmp_path)


def test_each_kind_gets_its_sender(tmp_path: Path) -> None:
    found = settings(tmp_path, ALL)
    assert [one.kind for one in found.destination] == ["c-store", "stow", "hl7"]
    assert destinations.outbox(found, Ledger(open_database("", tmp_path)))
    [(name, mapping)] = destinations.messages(found).items()
    assert (name, mapping.receiving_application) == ("ris", "RIS")
    assert mapping.priorities == {Outcome.NOT_FLAGGED: "A"}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[[destination]]\nname = "x"\nkind = "fax"\n', "destination"),
        ('[[destination]]\nname = "x"\nae_title = "A"\noutputs = ["hl7-oru"]\n', "outputs"),
        ('[[destination]]\nname = "x"\nkind = "hl7"\nae_title = "A"\n', "ae_title"),
        ('[[destination]]\nname = "x"\nkind = "hl7"\npriorities = { confidently_normal = "R" }\n', "priorities"),
        ('[[destination]]\nname = "x"\nkind = "stow"\n', "url"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        settings(tmp_path, text)


def test_a_secret_over_plain_http_to_another_machine_is_refused_at_start(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("user:password")
    text = '[[destination]]\nname = "x"\nkind = "stow"\nurl = "http://pacs.example/dicom-web"\n'
    text += f'authorization = "basic"\nsecret_file = "{secret}"\n'
    with pytest.raises(TriageError, match="http"):
        destinations.outbox(settings(tmp_path, text), Ledger(open_database("", tmp_path)))
