"""Stage: assemble. When a study may be analysed.

Input: what has arrived, and when. Output: a time. By content if possible: with all four standard views there is nothing
to wait for. Otherwise a quiet period must pass, since nothing says that a study was sent whole.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from triage.core.study import InstanceHeader
from triage.core.views import STANDARD_VIEWS


def is_complete(instances: Sequence[InstanceHeader]) -> bool:
    """Whether each of the four standard views has an eligible image."""
    return {one.view for one in instances if one.eligible} >= set(STANDARD_VIEWS)


def due_at(
    instances: Sequence[InstanceHeader], first_at: datetime, last_at: datetime, quiet: timedelta, max_wait: timedelta
) -> datetime:
    """At once if complete; else after `quiet` without an image, but never later than `max_wait` after the first.

    Args:
        instances: every current instance of the study.
        first_at: when its first image that awaits analysis came.
        last_at: when its newest image came.
        quiet: how long to wait for another image.
        max_wait: how long images that keep dripping in can put the analysis off.
    """
    if is_complete(instances):
        return last_at
    return min(last_at + quiet, first_at + max_wait)
