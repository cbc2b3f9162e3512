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
    from triage.roles import check
    from triage.supervisor import Supervisor

    settings = load(config, home=home)
    check(settings)  # whatever would keep a role from starting is said once, here
    arguments = [*(("--home", str(settings.home))), *(("--config", str(config)) if config else ())]
    Supervisor(arguments).run()


def _role_command(role: str) -> Callable[..., None]:
    def command(home: Home = None, config: Config = None, lifeline: Lifeline = False) -> None:
        from triage.roles import run_role
        from triage.supervisor import stop_event

        stop = stop_event(lifeline)
        run_role(role, load(config, home=home), stop)

    return command
