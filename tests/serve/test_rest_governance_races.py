"""The short form of benchmarks/governance_races.py: random acts of random people at once, and nothing illegal."""

from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def races(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "benchmarks"))
    import governance_races

    return governance_races


def test_no_illegal_activation_in_500_sequences(races: ModuleType, tmp_path: Path) -> None:
    found = races.race_in(tmp_path, 500, 4)
    assert found.illegal == ()
    assert found.race.unexpected == []
    assert found.activations > 50
    assert {code for _, code in found.race.outcomes} == {200, 201, 403, 409}
    assert all(found.race.outcomes[act, 200] for act in ("activate", "suspend", "roll-back"))
    assert max(found.race.rollbacks) < 1


def test_a_hole_in_the_rules_is_found(races: ModuleType, tmp_path: Path) -> None:
    with races.broken_rules():
        found = races.race_in(tmp_path, 150, 4)
    assert any("approved by nobody but who made it" in one for one in found.illegal)
    assert any("who made it" in one for one in found.illegal)
