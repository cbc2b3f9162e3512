"""When a study may be analysed."""

from datetime import timedelta

import pytest
from ledger_samples import START, header

from triage.assemble.completeness import due_at, is_complete
from triage.core.reasons import reason
from triage.core.study import InstanceHeader

QUIET, MAX_WAIT = timedelta(seconds=60), timedelta(seconds=900)


def views(*names: str) -> list[InstanceHeader]:
    return [header(number, laterality=name[0], view_position=name[1:]) for number, name in enumerate(names)]


FOUR = views("RCC", "LCC", "RMLO", "LMLO")


def test_four_eligible_views_are_complete_and_due_at_once() -> None:
    assert is_complete(FOUR)
    last = START + timedelta(seconds=7)
    assert due_at(FOUR, START, last, QUIET, MAX_WAIT) == last


def test_further_images_do_not_make_it_incomplete() -> None:
    assert is_complete([*FOUR, *views("RCC", "LML"), header(9, analysable=False)])


@pytest.mark.parametrize("missing", range(4))
def test_three_views_are_not(missing: int) -> None:
    assert not is_complete(FOUR[:missing] + FOUR[missing + 1 :])
    assert not is_complete([*FOUR[:missing], *FOUR[missing + 1 :], *FOUR[:missing]])


def test_a_view_that_is_refused_does_not_count() -> None:
    refused = header(3, laterality="L", view_position="MLO", reasons=(reason("implant"),))
    assert not is_complete([*FOUR[:3], refused])
    assert is_complete([*FOUR, refused])


def test_an_incomplete_study_waits_for_quiet_but_not_for_ever() -> None:
    three = FOUR[:3]
    assert due_at(three, START, START, QUIET, MAX_WAIT) == START + QUIET
    dripping = START + timedelta(seconds=890)
    assert due_at(three, START, dripping, QUIET, MAX_WAIT) == START + MAX_WAIT
