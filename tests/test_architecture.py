"""The dependency rules of the layout, read off the syntax trees."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STAGES = {"receive", "assemble", "accept", "prepare", "register", "infer", "decide", "report", "deliver"}
SHARED = {"core", "store", "observe"}
VENDOR_HOMES = {
    "onnxruntime": {"triage/infer"},
    "SimpleITK": {"triage/register"},
    "pynetdicom": {"triage/receive", "triage/deliver"},
    "sqlalchemy": {"triage/store"},
    "alembic": {"triage/store"},
    "pydicom": {"triage/receive", "triage/deliver", "triage/accept", "triage/prepare", "triage/report"},
    "fastapi": {"triage/serve"},
}
FILES = sorted([*(ROOT / "triage").rglob("*.py"), *(ROOT / "training").rglob("*.py")])


def imports(path: Path) -> set[str]:
    """Every module that a file imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def folder(path: Path) -> str:
    """The stage or part of triage that a file belongs to."""
    return path.relative_to(ROOT / "triage").parts[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_dependency_rules(path: Path) -> None:
    names = imports(path)
    tops = {name.split(".")[0] for name in names}
    where = "/".join(path.relative_to(ROOT).parts[:2])
    if where.startswith("triage"):
        assert not tops & {"torch", "training", "timm", "lightly"}, "triage never imports training or torch"
        for vendor, homes in VENDOR_HOMES.items():
            assert vendor not in tops or where in homes, f"{vendor} may be imported only in {sorted(homes)}"
        others = {name.split(".")[1] for name in names if name.startswith("triage.") and name.count(".") >= 1}
        part = folder(path)
        if part in STAGES:
            assert not others & (STAGES - {part}), f"stage {part} imports another stage"
            assert not others & {"pipeline", "settings", "cli", "serve"}, f"stage {part} imports what joins the stages"
        if part == "serve":
            assert not others & (STAGES - {"decide"}), "serve reads store and decide only"
        if part in SHARED:
            assert not others & STAGES, f"{part} imports a stage"
        if part == "core":
            assert tops <= _standard_library() | {"numpy", "triage"}, "core uses the standard library and numpy only"
            assert others <= {"core"}
    else:
        used = {name.split(".")[1] for name in names if name.startswith("triage.")}
        assert used <= {"prepare", "register", "decide", "core", "infer", "accept", "settings"}, (
            f"training imports triage.{used}"
        )


def _standard_library() -> set[str]:
    import sys

    return set(sys.stdlib_module_names)


def test_the_rules_see_something() -> None:
    assert len(FILES) > 20
    assert "triage.core.reasons" in imports(ROOT / "triage" / "core" / "errors.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_readable(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300
    assert path.stem not in {"utils", "helpers", "misc"}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports would hide from the dependency rules"
        if isinstance(node, ast.FunctionDef) and "migrations" not in path.parts:
            assert (node.end_lineno or 0) - node.lineno < 60, f"{node.name} does not fit a screen"
