"""No defect of a study that would be flagged leaves it flagged: every mutation once, in process, default bundle."""

from collections.abc import Iterator

import numpy as np
import pytest
from refusal_run import VENDORS, Run, mutated, phantom_exam, prepared_process, without

from training.phantom.mutated_headers import header_mutations
from training.phantom.mutated_pixels import PIXEL_MUTATIONS
from training.phantom.mutated_studies import DEVICE_MUTATIONS, HARMLESS, STUDY_MUTATIONS
from training.phantom.mutations import Mutation, Study
from triage.core.finding import Outcome
from triage.core.reasons import CODE_VALUES

MUTATIONS = (*header_mutations(), *STUDY_MUTATIONS, *DEVICE_MUTATIONS, *PIXEL_MUTATIONS)
NOT_HEADER_OR_PIXELS = {
    "registration-failed", "out-of-distribution", "non-finite-score", "model-failed", "attempts-exhausted",
    "within-tolerance-of-threshold", "calibration-suspended", "calibration-expired",
}  # fmt: skip
"""Refused for other causes than a defect of the study; tested with the stages that find them."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Run, list[Study]]]:
    """A pipeline and one phantom exam of each vendor."""
    with prepared_process():
        yield Run(tmp_path_factory.mktemp("run")), [phantom_exam(8200 + n, name) for n, name in enumerate(VENDORS)]


def key(mutation: Mutation) -> str:
    return mutation.name


def test_every_unspoiled_exam_is_flagged(bench: tuple[Run, list[Study]]) -> None:
    run, bases = bench
    for number, base in enumerate(bases):
        answered = run.answer(mutated(base, None, np.random.default_rng(0), f"clean-{number}"))
        assert answered.outcomes == (Outcome.CONFIDENTLY_NORMAL,)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=key)
def test_no_silent_normal(mutation: Mutation, bench: tuple[Run, list[Study]]) -> None:
    run, bases = bench
    number = MUTATIONS.index(mutation)
    answered = run.answer(mutated(bases[number % 4], mutation, np.random.default_rng([8, number]), f"spoilt-{number}"))
    assert not answered.flagged
    assert answered.refused
    assert answered.codes & mutation.codes, answered.codes
    assert answered.reported


@pytest.mark.parametrize("mutation", HARMLESS, ids=key)
def test_what_is_harmless_costs_nothing(mutation: Mutation, bench: tuple[Run, list[Study]]) -> None:
    run, bases = bench
    number = HARMLESS.index(mutation)
    answered = run.answer(mutated(bases[number % 4], mutation, np.random.default_rng([9, number]), f"fine-{number}"))
    assert answered.flagged, answered.codes


def test_every_reason_that_a_study_can_give_is_provoked() -> None:
    assert set().union(*(mutation.codes for mutation in MUTATIONS)) == set(CODE_VALUES) - NOT_HEADER_OR_PIXELS


@pytest.mark.parametrize("code", ["view-modifier", "not-screening", "foreign-object-suspected"])
def test_a_missing_rule_would_show(code: str, bench: tuple[Run, list[Study]]) -> None:
    """The negative control: with the rule switched off the same studies are flagged."""
    run, bases = bench
    mutation = next(one for one in MUTATIONS if one.codes == {code})
    run.forget()
    with without(code):
        answered = run.answer(mutated(bases[0], mutation, np.random.default_rng(1), f"off-{code}"))
    run.forget()
    assert answered.flagged, answered.codes
