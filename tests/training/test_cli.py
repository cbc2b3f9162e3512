"""The command line: help without torch, and messages instead of tracebacks."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from training.cli import app
from training.recipe import read_recipe
from training.torchvision_shim import apply
from triage.core.errors import ConfigurationError

COMMANDS = ("phantom", "wrap", "manifest", "cache", "fit", "evaluate", "export", "bundle", "reproduce", "report")


def test_help_lists_every_command_without_torch() -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom training.cli import app\n"
        "import training.phantom.study\n"
        "print(CliRunner().invoke(app, ['--help']).output)\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'timm', 'lightly')))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr or "torch was imported"
    assert all(command in found.stdout for command in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "no-such-recipe", "--cache", "x", "--out", "y"], "none of cpu, gpu"),
        (["fit", "cpu", "--cache", "x", "--out", "y", "--stage", "other"], "no stage other"),
        (["evaluate", "--bundle", "nowhere", "--manifest", "x", "--out", "y"], "no model bundle"),
        (["manifest", "unknown", ".", "--out", "m.csv"], "no reader 'unknown'"),
        (["cache", "--manifest", "none.csv", "--out", "x"], "cannot be read"),
    ],
)
def test_what_is_wrong_is_said_with_exit_code_1(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert message in result.output


@pytest.mark.parametrize("name", ["cpu", "gpu"])
def test_packaged_recipes_are_valid_and_ship_a_dual_view_system(name: str) -> None:
    recipe = read_recipe(name)
    assert recipe.stages[recipe.systems.dual_view].views == "dual"
    assert recipe.stages[recipe.systems.dual_view].method == "sf"
    assert recipe.loop(recipe.stages[recipe.systems.dual_view]).precision == "fp32"


def test_a_recipe_names_its_mistakes(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "training" / "recipes" / "cpu.toml").read_text(encoding="utf-8")
    (tmp_path / "r.toml").write_text(text.replace('start = "byol"', 'start = "bio"'), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="byol_patches starts from 'bio'"):
        read_recipe(str(tmp_path / "r.toml"))


def test_shim_lets_torchvision_be_imported() -> None:
    apply()
    import torchvision

    assert torchvision.__version__
