"""Canonical views drawn for the tests of `triage.register`."""

import numpy as np

from triage.core.study import DUAL_VIEW_SHAPE, WHOLE_IMAGE_SHAPE, PreparedView

ROWS, COLUMNS = DUAL_VIEW_SHAPE


def drawn_view(
    width: float = 0.6, height: float = 0.42, center: float = 0.5, tilt: float = 0.0, empty: bool = False
) -> PreparedView:
    """A half ellipse at the left edge with a gland and a pectoral shade; sizes as fractions of the canvas.

    `tilt` moves the centre down with the distance from the chest wall, in canvases.
    """
    y, x = np.mgrid[0:ROWS, 0:COLUMNS].astype(np.float64)
    across = x / (width * COLUMNS)
    down = (y / ROWS - center - tilt * x / COLUMNS) / height
    breast = (across**2 + down**2 < 1) & (not empty)
    gland = np.exp(-(((across - 0.6) / 0.2) ** 2) - ((down + 0.1) / 0.3) ** 2)
    shade = np.clip(-across * 1.5 - down * 0.8 + 0.2, 0, 1)
    image = np.where(breast, 15000 + 30000 * gland + 12000 * shade, 0).astype(np.uint16)
    whole = np.zeros(WHOLE_IMAGE_SHAPE, dtype=np.uint16)
    return PreparedView(image, whole, breast, False, (0, ROWS, 0, COLUMNS), DUAL_VIEW_SHAPE)
