"""Prepared views at hand: decoded as each image arrives, kept for the study's turn, pictured for the pages.

Input: a stored instance. Output: its PreparedView, or Rejected; a preview PNG beside it. Used by the worker alone: the
listener never decodes.
"""

import logging
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from triage.core.errors import Rejected
from triage.core.reasons import reason
from triage.core.study import Float32Image, PreparedView
from triage.prepare import decode, view
from triage.store.pictures import PREVIEW, Pictures
from triage.store.records import StoredInstance

log = logging.getLogger(__name__)

KEPT = 64
"""Prepared views in memory, about 5 MB each: sixteen studies in flight."""
PREVIEW_ROWS = 1024


class ViewsAtHand:
    """A bounded cache from the digest of an instance to its prepared view or its refusal; safe across threads."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures
        self._kept: OrderedDict[str, PreparedView | Rejected] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, instance: StoredInstance) -> PreparedView:
        """The prepared view, made now if need be.

        Raises:
            Rejected: the pixels cannot be used; the same each time.
        """
        with self._lock:
            known = self._kept.get(instance.sha256)
        if known is None:
            known = self._make(instance)
            with self._lock:
                self._kept[instance.sha256] = known
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
        if isinstance(known, Rejected):
            raise known
        return known

    def _make(self, instance: StoredInstance) -> PreparedView | Rejected:
        try:
            ds = decode.read(Path(instance.path))
            stored = decode.stored_pixels(ds)
            preview = view.preview(ds, PREVIEW_ROWS, stored)
            made = _prepared(ds, stored)
            hung = _hung(preview, instance, made) if isinstance(made, PreparedView) else preview
            self._pictures.write(instance.sha256, PREVIEW, _png(hung))
            return made
        except Rejected as rejected:
            return rejected
        except (MemoryError, OSError):
            raise  # the machine's fault, not the image's: the study is tried again
        except Exception as error:
            log.exception("image %s cannot be prepared", instance.header.sop_instance_uid)
            return Rejected(reason("undecodable", f"The pixels cannot be prepared ({type(error).__name__})."))

    def write_attention(self, instance: StoredInstance, attention: Float32Image, made: PreparedView, name: str) -> None:
        """Draws an attention map (cells over the whole-image tensor) onto the grid of the preview."""
        rows, columns = made.stored_shape
        scale = min(1.0, PREVIEW_ROWS / rows)
        drawn = view.to_stored_grid(attention, made, (round(rows * scale), round(columns * scale)))
        top = float(drawn.max())
        grey = np.zeros(drawn.shape, np.uint8) if top <= 0 else np.round(drawn / top * 255).astype(np.uint8)
        self._pictures.write(instance.sha256, name, _png(_hung(grey, instance, made)))


def _prepared(ds: Any, stored: npt.NDArray[Any]) -> PreparedView | Rejected:
    try:
        return view.prepare(ds, stored)
    except Rejected as rejected:
        return rejected


def _hung(image: npt.NDArray[np.uint8], instance: StoredInstance, made: PreparedView) -> npt.NDArray[np.uint8]:
    """The image as it hangs beside the other breast: the chest wall of a right breast at the right."""
    wall_at_right = made.flipped
    return image if wall_at_right == (instance.header.laterality == "R") else image[:, ::-1]


def _png(image: npt.NDArray[np.uint8]) -> bytes:
    return bytes(cv2.imencode(".png", image)[1])
