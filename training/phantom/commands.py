"""Command line of the phantoms: `phantom` writes exams with known truth, `wrap` turns four PNG views into DICOM."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Phantom exams and wrapped PNG exams.", no_args_is_help=True)


class Size(StrEnum):
    """Pixel grid of the images."""

    SMALL = "small"
    FULL = "full"


class Variant(StrEnum):
    """Exams that the service must refuse, but for nipple markers, which are no reason to."""

    IMPLANT = "implant"
    PARTIAL_VIEW = "partial-view"
    MISSING_VIEW = "missing-view"
    SPOT = "spot"
    CLIP = "clip"
    WIRE = "wire"
    SKIN_MARKER = "skin-marker"
    PACEMAKER = "pacemaker"
    NIPPLE_MARKER = "nipple-marker"


@app.command()
def phantom(  # noqa: PLR0913, PLR0917 - one argument an option
    out: Annotated[Path, typer.Option(help="Folder for the exams, manifest.csv and lesions.csv.")],
    exams: Annotated[int, typer.Option(min=1, help="How many exams of four views.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same files.")] = 1,
    size: Annotated[Size, typer.Option(help="small: pixels of about 0.17 mm; full: detector size.")] = Size.SMALL,
    workers: Annotated[int, typer.Option(min=1, help="Processes, one thread each.")] = 1,
    conspicuity: Annotated[float, typer.Option(min=0.0, help="Contrast of the findings; 1 = default.")] = 1.0,
    first: Annotated[int, typer.Option(min=0, help="Number of the first exam: the others are left out.")] = 0,
    variant: Annotated[Variant | None, typer.Option(help="Write exams with something odd.")] = None,
) -> None:
    """Write phantom exams as DICOM, with BI-RADS labels and lesion boxes."""
    from training.phantom.study import Choices, write_exams

    choices = Choices(size.value, conspicuity, variant.value if variant else None, first=first)
    typer.echo(write_exams(out, exams, seed, workers, choices))


@app.command()
def wrap(
    folder: Annotated[Path, typer.Argument(help="Holds R-CC.png, L-CC.png, R-MLO.png and L-MLO.png.")],
    out: Annotated[Path, typer.Option(help="Folder for the four DICOM files.")],
    manufacturer: Annotated[str, typer.Option(help="Manufacturer to write.")] = "PNG-WRAPPER",
) -> None:
    """Wrap one exam of four PNG views as DICOM."""
    from training.phantom.wrapper import wrap_png_exam

    try:
        for path in wrap_png_exam(folder, out, manufacturer):
            typer.echo(path)
    except (FileNotFoundError, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
