"""Commands that check the past: the audit trail, and every decision made again from what was stored."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triage.cli.options import Config, Home, Json
from triage.core.errors import TriageError
from triage.core.finding import ImageFinding, OperatingPoint
from triage.settings import Settings, load

if TYPE_CHECKING:
    from triage.store.monitoring_records import StoredFinding

app = typer.Typer(no_args_is_help=True, help="The audit trail.")

Rescore = Callable[[str], Mapping[str, ImageFinding]]
"""Scores the images of a study (its UID) again from the pixels; a finding for each, by SOP Instance UID."""
PointOf = Callable[[str], OperatingPoint | None]
"""The operating point of a calibration's id, None if the ledger holds none; TriageError if it was tampered with."""


def register(group: typer.Typer, rescorer: Callable[[Settings], Rescore]) -> None:
    """Adds the commands; `rescorer` loads the models and is called only for `--pixels`."""
    group.add_typer(app, name="audit")
    group.command("replay")(_replay_command(rescorer))


@app.command()
def verify(home: Home = None, config: Config = None, as_json: Json = False) -> None:
    """Check that no row of the audit trail was changed, removed or moved."""
    from triage.roles import open_ledger

    ledger = open_ledger(load(config, home=home))
    started = time.monotonic()
    length, broken = ledger.audit_length(), ledger.verify_audit()
    seconds = round(time.monotonic() - started, 2)
    if as_json:
        found = {"whole": broken is None, "rows": length, "first_bad_row": broken, "seconds": seconds}
        typer.echo(json.dumps(found, indent=2))
    elif broken is None:
        typer.echo(f"the audit trail is whole: {length} rows verified in {seconds} s")
    else:
        where = f"row {broken} was changed, or follows a removed one" if broken else "rows are missing at its end"
        typer.echo(f"the audit trail is broken: {where} ({length} rows expected)")
    if broken is not None:
        raise typer.Exit(1)


def _replay_command(rescorer: Callable[[Settings], Rescore]) -> Callable[..., None]:
    def replay(
        study_instance_uid: Annotated[str | None, typer.Argument(metavar="[UID]", help="One study.")] = None,
        every: Annotated[bool, typer.Option("--all", help="Every result in the ledger.")] = False,
        pixels: Annotated[
            bool, typer.Option("--pixels", help="Score results in force again, from the images.")
        ] = False,
        home: Home = None,
        config: Config = None,
        as_json: Json = False,
    ) -> None:
        """Decide stored results again and compare: a difference means that something was changed afterwards."""
        from triage.roles import open_ledger

        if every == (study_instance_uid is not None):
            raise typer.BadParameter("give the UID of one study, or --all")
        settings = load(config, home=home)
        ledger = open_ledger(settings)
        started = time.monotonic()
        stored: Iterable[StoredFinding] = ledger.findings() if every else ledger.findings_of(study_instance_uid or "")
        held: dict[str, OperatingPoint | None] = {}

        def point_of(calibration_id: str) -> OperatingPoint | None:
            if calibration_id not in held:
                version = ledger.calibration(calibration_id)
                held[calibration_id] = version.operating_point if version else None
            return held[calibration_id]

        report = Report()
        for one, differences in replayed(stored, point_of, rescorer(settings) if pixels else None):
            report.add(one, differences)
        if every:
            report.lost = list(ledger.lost_results())
        elif not report.results:
            raise TriageError(f"no result of study {study_instance_uid}; `triage studies` lists those received")
        report.show(time.monotonic() - started, as_json)

    return replay


def replayed(
    stored: Iterable["StoredFinding"], point_of: PointOf, rescore: Rescore | None = None
) -> Iterator[tuple["StoredFinding", tuple[str, ...]]]:
    """Each result with everything that speaks against it; nothing if it is as it was decided."""
    from triage.decide.replay import compare_scores, replay

    for one in stored:
        if one.finding is None:
            yield one, one.problems
            continue
        point, found = one.finding.operating_point, list(one.problems)
        try:
            found += replay(one.finding, point_of(point.id) if point else None).differences
        except TriageError as error:  # the calibration was tampered with
            found.append(str(error))
        if rescore is not None and one.in_force:
            found += compare_scores(one.finding, rescore(one.study_instance_uid))
        yield one, tuple(found)


class Report:
    """What a replay found."""

    def __init__(self) -> None:
        self.results = 0
        self.unsealed = 0
        """Results whose finding has no digest in the audit trail: only what the rule makes of it could be checked."""
        self.different: list[dict[str, Any]] = []
        self.lost: list[str] = []

    def add(self, one: "StoredFinding", differences: tuple[str, ...]) -> None:
        """Counts one result."""
        self.results += 1
        self.unsealed += not one.sealed
        if differences:
            named = {"study_instance_uid": one.study_instance_uid, "result_id": one.result_id}
            self.different.append({**named, "differences": list(differences)})

    def show(self, seconds: float, as_json: bool) -> None:
        """Prints it, and ends with exit code 1 if something differs."""
        same = self.results - len(self.different)
        if as_json:
            counts = {"results": self.results, "identical": same, "unsealed": self.unsealed}
            found = {**counts, "different": self.different, "lost": self.lost, "seconds": round(seconds, 2)}
            typer.echo(json.dumps(found, indent=2))
        else:
            for one in self.different:
                typer.echo(f"study {one['study_instance_uid']} result {one['result_id'][:16]}:")
                for text in one["differences"]:
                    typer.echo(f"  {text}")
            for result_id in self.lost:
                typer.echo(f"result {result_id[:16]} was audited and is not in the ledger")
            unsealed = f", {self.unsealed} without a digest in the audit trail" if self.unsealed else ""
            typer.echo(f"{same} of {self.results} results are identical{unsealed} ({seconds:.2f} s)")
        if self.different or self.lost:
            raise typer.Exit(1)
