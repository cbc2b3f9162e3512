"""Accept: the shape of one eligibility rule. Rules are rows of tables, so that documentation can list them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Subject = TypeVar("Subject")

REFUSED = "refused"
"""What an element's absence means where the rule cannot do without it."""


@dataclass(frozen=True)
class Rule(Generic[Subject]):
    """One reason for which an image (`Subject` = Header) or an exam (`Subject` = its headers) is not evaluated."""

    code: str
    """Reason code of triage.core.reasons."""
    says: str
    """What the rule demands, in one line, naming the elements that it reads."""
    check: Callable[[Subject], str | None]
    """The sentence that names the offending value, or None if there is nothing to object."""
    absence: str = REFUSED
    """What it means if the elements are absent or empty: REFUSED, or why the image may still be evaluated."""
