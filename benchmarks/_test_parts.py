"""Importing this puts `tests/` on the path, for benchmarks that use a part of the tests, such as a simulated site."""

import sys
from pathlib import Path

# The root comes first: `tests/training` must not hide the package `training`.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
