"""Lets torchvision be imported beside the CPU build of torch, whose wheels on PyPI do not fit together.

torchvision's compiled extension needs CUDA libraries; without it `import torchvision` fails because the schemas of its
operators are unknown. Declaring the schemas is enough for what timm and lightly use of torchvision; the operators
themselves (nms, roi_align, image decoding) stay unavailable. Import this module before timm or lightly.
"""

import ctypes
import importlib.util
from pathlib import Path

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_library: torch.library.Library | None = None


def extension_loads() -> bool:
    """True if torchvision's compiled extension finds the libraries it was linked against."""
    package = importlib.util.find_spec("torchvision")
    if package is None or package.origin is None:
        return False
    extensions = sorted(Path(package.origin).parent.glob("_C*.so")) + sorted(
        Path(package.origin).parent.glob("_C*.pyd")
    )
    try:
        for extension in extensions:
            ctypes.CDLL(str(extension))
    except OSError:
        return False
    return bool(extensions)


def apply() -> bool:
    """Declares the operator schemas if, and only if, the extension cannot; True if they are declared here."""
    global _library  # noqa: PLW0603 - the schemas live as long as the Library object does
    if _library is None and not extension_loads():
        _library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for schema in _SCHEMAS:
            _library.define(schema)  # type: ignore[no-untyped-call]
    return _library is not None


apply()
