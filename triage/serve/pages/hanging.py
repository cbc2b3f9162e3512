"""Serve: which image hangs where. Input: the study's images. Output: four named places and what is left over."""

from collections.abc import Sequence
from dataclasses import dataclass

from triage.core.views import STANDARD_VIEWS, View, standard_view
from triage.serve.api.models import ImageModel
from triage.store.pictures import PREVIEW, Pictures, attention_name


@dataclass(frozen=True)
class HungImage:
    """An image and which pictures there are of it."""

    image: ImageModel
    has_preview: bool
    has_attention: bool

    @property
    def label(self) -> str:
        """Laterality and view as far as they are known."""
        return f"{self.image.laterality or ''}{self.image.view or ''}" or "View not known"


@dataclass(frozen=True)
class Hanging:
    """RCC | LCC over RMLO | LMLO, None for a view that is missing; then every other object."""

    places: dict[View, HungImage | None]
    others: tuple[HungImage, ...]

    @property
    def tabled(self) -> tuple[HungImage, ...]:
        """Images with results to show: the four places, and others only if they were analysed."""
        hung = tuple(one for one in self.places.values() if one)
        return hung + tuple(one for one in self.others if one.image.logits)

    @property
    def has_attention(self) -> bool:
        """True if there is an attention map of any view."""
        return any(hung.has_attention for hung in self.places.values() if hung)


def hang(
    images: Sequence[ImageModel], digests: dict[str, str], pictures: Pictures, bundle_sha256: str | None
) -> Hanging:
    """Hangs the images; of several images of one view the first eligible one takes the place.

    Args:
        images: as the REST interface lists them.
        digests: SHA-256 of each instance, by SOP Instance UID.
        pictures: where previews and attention maps lie.
        bundle_sha256: of the bundle that made the result, whose attention maps may be shown.
    """
    names = [PREVIEW] + ([attention_name(bundle_sha256)] if bundle_sha256 else [])

    def hung(image: ImageModel) -> HungImage:
        digest = digests.get(image.sop_instance_uid)
        there = [digest is not None and pictures.path(digest, name) is not None for name in names]
        return HungImage(image, there[0], there[-1] if bundle_sha256 else False)

    ordered = sorted(images, key=lambda image: not image.eligible)
    places: dict[View, ImageModel | None] = dict.fromkeys(STANDARD_VIEWS)
    for image in ordered:
        view = standard_view(image.laterality, image.view)
        if view is not None and places[view] is None:
            places[view] = image
    taken = [image.sop_instance_uid for image in places.values() if image]
    others = tuple(hung(image) for image in images if image.sop_instance_uid not in taken)
    return Hanging({view: hung(image) if image else None for view, image in places.items()}, others)
