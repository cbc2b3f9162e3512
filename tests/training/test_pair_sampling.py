"""Pair samplers: N same-class and N different-class pairs, from one patient where that is asked for."""

import numpy as np
import pytest

from training.data.pairs import Pairs, Population, patient_pairs, random_pairs
from triage.core.errors import TriageError


@pytest.fixture
def population() -> Population:
    generator = np.random.default_rng(3)
    patients = np.repeat([f"p{k}" for k in range(30)], 4)
    return Population(generator.random(120) < 0.7, patients)


def check(pairs: Pairs, population: Population, n: int) -> None:
    assert len(pairs.first) == len(pairs.second) == len(pairs.same) == 2 * n
    assert int(pairs.same.sum()) == n
    assert (pairs.first != pairs.second).all()
    assert ((population.normal[pairs.first] == population.normal[pairs.second]) == pairs.same).all()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [1, 6, 40])
def test_random_pairs(population: Population, n: int, seed: int) -> None:
    check(random_pairs(population, n, np.random.default_rng(seed)), population, n)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [1, 6, 40])
def test_patient_pairs_come_from_one_patient(population: Population, n: int, seed: int) -> None:
    pairs = patient_pairs(population, n, np.random.default_rng(seed))
    check(pairs, population, n)
    assert (population.patients[pairs.first] == population.patients[pairs.second]).all()


def test_position_in_a_pair_does_not_tell_the_class(population: Population) -> None:
    pairs = patient_pairs(population, 400, np.random.default_rng(0))
    assert 0.4 < population.normal[pairs.first[~pairs.same]].mean() < 0.6


def test_same_generator_state_same_pairs(population: Population) -> None:
    first, second = (patient_pairs(population, 9, np.random.default_rng(7)) for _ in range(2))
    assert (first.first == second.first).all()
    assert (first.second == second.second).all()


def test_a_set_of_one_class_is_refused() -> None:
    with pytest.raises(TriageError, match="only one kind"):
        Population(np.ones(4, np.bool_), np.asarray(["a", "a", "b", "b"]))


def test_patients_without_both_kinds_are_refused() -> None:
    population = Population(np.asarray([True, True, False, False]), np.asarray(["a", "a", "b", "b"]))
    with pytest.raises(TriageError, match="both kinds"):
        patient_pairs(population, 2, np.random.default_rng(0))
