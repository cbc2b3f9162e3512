"""Stage `register`: which images show the same view of the other breast.

In: the view of each eligible image of an exam. Out: the partners of each image.
"""

from collections.abc import Mapping

from triage.core.views import View


def contralateral(views: Mapping[str, View]) -> dict[str, list[str]]:
    """SOP Instance UIDs of the partners of each image, sorted; an empty list where the other breast lacks the view.

    Repeats are legal: every image of the other breast that shows the view is a partner.
    """
    return {
        uid: sorted(other for other, shown in views.items() if shown is view.contralateral)
        for uid, view in views.items()
    }
