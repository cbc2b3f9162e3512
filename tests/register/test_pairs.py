"""Which images are partners."""

from triage.core.views import View
from triage.register.pairs import contralateral


def test_four_views() -> None:
    views = {"1": View.RCC, "2": View.LCC, "3": View.RMLO, "4": View.LMLO}
    assert contralateral(views) == {"1": ["2"], "2": ["1"], "3": ["4"], "4": ["3"]}


def test_repeats_are_all_partners_and_sorted() -> None:
    views = {"9": View.RCC, "5": View.LCC, "7": View.RCC}
    assert contralateral(views) == {"9": ["5"], "5": ["7", "9"], "7": ["5"]}


def test_missing_partner() -> None:
    assert contralateral({"1": View.RCC, "4": View.LMLO}) == {"1": [], "4": []}
    assert contralateral({}) == {}
