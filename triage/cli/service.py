"""Commands that run the service: all roles together, or one."""

from collections.abc import Callable
from typing import Annotated

import typer

from triage.cli.options import Config, Home
from triage.settings import load

Lifeline = Annotated[bool, typer.Option(hidden=True, help="End when standard input closes.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("serve")(serve)
    for role, text in (
        ("scp", "Run the DICOM listener alone."),
        ("worker", "Run the worker alone: prepare, analyse, deliver."),
        ("api", "Run the web pages and REST alone."),
    ):
        app.command(role, help=text)(_role_command(role))


def serve(home: Home = None, config: Config = None) -> None:
    """Run all roles in one process group until Ctrl-C or SIGTERM."""
    from triage.roles import open_ledger
    from triage.supervisor import Supervisor

    settings = load(config, home=home)
    open_ledger(settings)  # migrates once, before three processes would, and says at once if it cannot
    arguments = [*(("--home", str(settings.home))), *(("--config", str(config)) if config else ())]
    Supervisor(arguments).run()


def _role_command(role: str) -> Callable[..., None]:
    def command(home: Home = None, config: Config = None, lifeline: Lifeline = False) -> None:
        from triage.roles import RUN
        from triage.supervisor import stop_event

        stop = stop_event(lifeline)
        RUN[role](load(config, home=home), stop)

    return command
