"""`triage conformance`: the DICOM conformance statement of this version."""

import typer


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("conformance")(conformance)


def conformance() -> None:
    """Print the DICOM conformance statement (Markdown)."""
    from triage.conformance.statement import statement

    typer.echo(statement())
