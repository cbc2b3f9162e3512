"""ONNX Runtime sessions: which package, which device, how many threads. The only importer of onnxruntime.

`onnxruntime` and `onnxruntime-gpu` overwrite each other's files, and a GPU session falls back to the CPU with no more
than a line on stderr; both are checked here, at start.
"""

from importlib import metadata
from pathlib import Path
from typing import Literal, cast

import numpy as np
import numpy.typing as npt

from triage.core.errors import BundleError, ConfigurationError

Device = Literal["cpu", "gpu"]
FloatArray = npt.NDArray[np.float32]


def installed_runtime() -> str:
    """Name of the one ONNX Runtime distribution.

    Raises:
        ConfigurationError: none, or two that overwrite each other.
    """
    present = [name for name in ("onnxruntime", "onnxruntime-gpu") if _version(name)]
    if len(present) != 1:
        raise ConfigurationError(
            f"{'two' if present else 'no'} ONNX Runtime package(s) installed {present}; in a fresh environment install "
            "exactly one extra: mammography-triage[cpu] or mammography-triage[gpu]"
        )
    return present[0]


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


class Model:
    """One ONNX file, loaded and really running on the device asked for."""

    def __init__(self, path: Path, device: Literal["auto", "cpu", "gpu"], threads: int) -> None:
        distribution = installed_runtime()
        if device == "gpu" and distribution != "onnxruntime-gpu":
            raise ConfigurationError(
                "inference.device is 'gpu' but onnxruntime (CPU) is installed; install the [gpu] extra"
            )
        import onnxruntime  # after the check: two overlapping wheels fail in stranger ways

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Spinning threads would starve the listener on a two-core machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        wanted: list[str | tuple[str, dict[str, str]]] = ["CPUExecutionProvider"]
        if distribution == "onnxruntime-gpu" and device != "cpu":
            onnxruntime.preload_dlls()
            # HEURISTIC: the exhaustive convolution search makes every first shape slow.
            wanted.insert(0, ("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC"}))
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=wanted)
        except Exception as error:
            raise BundleError(f"{path}: ONNX Runtime cannot load it: {error}") from error
        self.device: Device = "gpu" if self._session.get_providers()[0] == "CUDAExecutionProvider" else "cpu"
        if device == "gpu" and self.device != "gpu":
            raise ConfigurationError(
                "a GPU was demanded (inference.device = 'gpu') but ONNX Runtime fell back to the CPU"
            )
        self._inputs = [node.name for node in self._session.get_inputs()]
        self._outputs = [node.name for node in self._session.get_outputs()]

    def __call__(self, **inputs: FloatArray) -> dict[str, FloatArray]:
        """Runs the model; inputs and outputs by their names in the file."""
        if set(inputs) != set(self._inputs):
            raise BundleError(f"model expects inputs {self._inputs}, got {sorted(inputs)}")
        values = cast(list[FloatArray], self._session.run(self._outputs, inputs))
        return dict(zip(self._outputs, values, strict=True))
