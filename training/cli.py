"""`triage-train`: from data to a model bundle. A command imports what it needs when it runs: --help needs no torch."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from training.phantom.commands import app as phantom_app
from triage.core.errors import Rejected, TriageError

app = typer.Typer(
    help="Train, evaluate and export triage models.", no_args_is_help=True, pretty_exceptions_enable=False
)
app.registered_commands += phantom_app.registered_commands

Result = TypeVar("Result")
Recipe = Annotated[str, typer.Argument(help="A recipe of the package (cpu, gpu) or a TOML file.")]
Cache = Annotated[Path, typer.Option(help="Folder that `cache` wrote.")]
Seed = Annotated[int | None, typer.Option(help="Instead of the recipe's seed.")]


@app.command()
def manifest(
    reader: Annotated[str, typer.Argument(help="Layout of the source: dicom-csv, mini-mias, phantom.")],
    source: Annotated[Path, typer.Argument(help="Folder of the data set.")],
    out: Annotated[Path, typer.Option(help="Manifest to write (CSV); lesions.csv goes beside it.")],
    split: Annotated[str, typer.Option(help="Shares by patient, as train=8,validation=1; empty: none.")] = "",
    seed: Annotated[int, typer.Option(help="Seed of the split.")] = 1,
) -> None:
    """Read a data set's layout into a manifest and count what could not be used."""
    from training.data.readers.write import write

    typer.echo(json.dumps(_run(lambda: write(reader, source, out, _shares(split), seed)), indent=2))


@app.command()
def cache(
    manifest: Annotated[Path, typer.Option(help="Manifest (CSV).")],
    out: Annotated[Path, typer.Option(help="Folder for the memory maps.")],
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
) -> None:
    """Prepare and register every image once, by the service's own code."""
    from training.data.manifest import read_manifest
    from training.data.memmap import build

    typer.echo(json.dumps(_run(lambda: build(read_manifest(manifest), out, workers)), indent=2))


@app.command()
def fit(
    recipe: Recipe,
    cache: Cache,
    out: Annotated[Path, typer.Option(help="Run folder; a folder a stage.")],
    stage: Annotated[list[str] | None, typer.Option(help="Only this stage; may be repeated.")] = None,
    seed: Seed = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
) -> None:
    """Train the stages of a recipe; an interrupted run continues exactly."""
    from training.recipe import read_recipe
    from training.stages import Trainer

    def work() -> None:
        chosen = read_recipe(recipe)
        chosen = chosen if threads is None else chosen.model_copy(update={"threads": threads})
        unknown = [name for name in stage or () if name not in chosen.stages]
        if unknown:
            raise TriageError(f"no stage {', '.join(unknown)}; this recipe has {', '.join(chosen.stages)}")
        trainer = Trainer(chosen, cache, out, seed)
        for name in stage or chosen.stages:
            trainer.fit(name)

    _run(work)


@app.command()
def evaluate(
    bundle: Annotated[str, typer.Option(help="Bundle folder or name.")],
    manifest: Annotated[Path, typer.Option(help="Manifest (CSV) of images that nobody here has seen.")],
    out: Annotated[Path, typer.Option(help="Result (JSON).")],
    split: Annotated[str, typer.Option(help="Only this part of the manifest.")] = "",
    threads: Annotated[int, typer.Option(min=1)] = 2,
) -> None:
    """Score images blind, through the service's own code, then compare with the labels."""
    from training.evaluate.blind import evaluate_bundle

    result = _run(lambda: evaluate_bundle(bundle, manifest, split, threads))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    typer.echo(json.dumps({key: value for key, value in result.items() if key != "scores"}, indent=2))


@app.command()
def export(
    recipe: Recipe,
    run: Annotated[Path, typer.Option(help="Run folder of `fit`.")],
    out: Annotated[Path, typer.Option(help="Folder for the ONNX files.")],
) -> None:
    """Write the ONNX files of a run and prove them against torch."""
    from training.bundle import export_models
    from training.recipe import read_recipe

    typer.echo(json.dumps(_run(lambda: export_models(read_recipe(recipe), run, out)), indent=2))


@app.command()
def bundle(
    recipe: Recipe,
    work: Annotated[Path, typer.Option(help="Work folder of `reproduce`, with its stages trained.")],
    out: Annotated[Path, typer.Option(help="Bundle folder, for example models/default.")],
    version: Annotated[str, typer.Option(help="Version of the bundle.")] = "1.0.0",
) -> None:
    """Export, calibrate, measure and write a bundle."""
    from training import reproduce as steps
    from training.recipe import read_recipe

    _echo_metrics(_run(lambda: steps.bundle(read_recipe(recipe), work, out, version)))


@app.command()
def reproduce(
    recipe: Recipe = "cpu",
    work: Annotated[Path, typer.Option(help="Work folder; resumable.")] = Path("runs/reproduce"),
    out: Annotated[Path, typer.Option(help="Bundle folder.")] = Path("models/default"),
    version: Annotated[str, typer.Option(help="Version of the bundle.")] = "1.0.0",
) -> None:
    """Everything, from phantom exams to a bundle that the service loads."""
    from training import reproduce as steps
    from training.recipe import read_recipe

    logging.basicConfig(format="%(asctime)s %(message)s")
    logging.getLogger("training").setLevel(logging.INFO)
    _echo_metrics(_run(lambda: steps.reproduce(read_recipe(recipe), work, out, version)))


@app.command()
def report(
    work: Annotated[Path, typer.Option(help="Work folder of `reproduce`.")],
    bundle: Annotated[str, typer.Option(help="Bundle folder or name.")],
    out: Annotated[Path, typer.Option(help="Evidence file (JSON).")] = Path("docs/results/training.json"),
) -> None:
    """Write the measured figures of a run and its bundle as an evidence file."""
    from training.report import rows, write
    from triage.infer.bundle import load

    def collect() -> list[dict[str, Any]]:
        comparison = json.loads((work / "comparison.json").read_text(encoding="utf-8"))
        return rows(comparison, load(bundle).manifest.metrics)

    write(out, _run(collect), "triage-train report")
    typer.echo(out)


def _shares(text: str) -> dict[str, float]:
    try:
        return {name: float(share) for name, share in (part.split("=") for part in text.split(",") if part)}
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}: expected shares such as train=8,validation=1") from error


def _echo_metrics(result: dict[str, Any]) -> None:
    typer.echo(json.dumps(result["metrics"], indent=2))


def _run(work: Callable[[], Result]) -> Result:
    """Runs a command's work; what is wrong on purpose ends with its message and exit code 1."""
    try:
        return work()
    except (TriageError, Rejected, FileNotFoundError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
