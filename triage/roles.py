"""The three roles of the service, each wired from settings and run until told to stop.

scp     the Storage SCP: image on disk and in the ledger before it is acknowledged
worker  prepares views as they arrive, analyses due studies, delivers results
api     worklist pages and REST
"""

import logging
import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from triage.assemble.completeness import due_at
from triage.assemble.dispatch import Dispatcher
from triage.core.errors import BundleError, ConfigurationError
from triage.decide.operating_point import CalibrationRecord, read_record
from triage.infer import bundle as bundles
from triage.infer.runtime import installed_runtime
from triage.intake import ViewsAtHand
from triage.observe.heartbeat import Heartbeat, RoleState, read
from triage.settings import Settings
from triage.store.blobs import Blobs
from triage.store.database import open_database
from triage.store.ledger import Ledger
from triage.store.pictures import Pictures

if TYPE_CHECKING:
    from triage.deliver.outbox import Outbox

log = logging.getLogger(__name__)

BEAT_SECONDS = 2.0
ORPHANS_OLDER_THAN = timedelta(hours=1)


def open_ledger(settings: Settings) -> Ledger:
    """The study ledger of these settings, its schema up to date.

    Raises:
        ConfigurationError: home cannot be written, or the database cannot be used.
    """
    try:
        return Ledger(open_database(settings.database.url, settings.home))
    except OSError as error:
        raise ConfigurationError(f"home: cannot write to {settings.home} ({error.strerror})") from error


def check(settings: Settings) -> CalibrationRecord:
    """Everything that must hold before a role can start; the calibration record of the bundle.

    Raises:
        TriageError: what is wrong, and where.
    """
    installed_runtime()
    record = calibration_of(bundles.load(settings.inference.bundle))
    open_ledger(settings)
    return record


def open_blobs(settings: Settings) -> Blobs:
    """Where received images lie."""
    return Blobs(settings.home / "spool")


def calibration_of(bundle: bundles.Bundle) -> CalibrationRecord:
    """The calibration record that ships with a bundle.

    Raises:
        BundleError: it was made for another bundle.
    """
    record = read_record(bundle.file(bundles.OPERATING_POINT))
    if record.bundle_sha256 != bundle.sha256:
        raise BundleError(f"{bundle.file(bundles.OPERATING_POINT)}: was calibrated for another bundle; calibrate again")
    return record


def starting(settings: Settings, role: str) -> Heartbeat:
    """The heartbeat of a role, at its start."""
    heartbeat = Heartbeat(settings.home, role)
    before = read(settings.home).get(role)
    if before is None or before.state is not RoleState.FAILING:  # a role that fails at every start is failing
        _beat(heartbeat, RoleState.STARTING, {})
    return heartbeat


def beat_until(stop: threading.Event, heartbeat: Heartbeat, detail: dict[str, Any]) -> None:
    """Says every two seconds that the role is alive; blocks until stopped."""
    while not stop.is_set():
        _beat(heartbeat, RoleState.READY, detail)
        stop.wait(BEAT_SECONDS)
    heartbeat.end()


def _beat(heartbeat: Heartbeat, state: RoleState, detail: dict[str, Any]) -> None:
    try:
        heartbeat.beat(state, detail)
    except OSError as error:  # a full disk must not end a role: it still has to refuse, and to recover
        log.error("no heartbeat: %s", error.strerror)


def _beating(stop: threading.Event, heartbeat: Heartbeat, detail: dict[str, Any]) -> None:
    """`beat_until` beside the role's own work."""
    threading.Thread(target=beat_until, args=(stop, heartbeat, detail), name="heartbeat", daemon=True).start()


def run_scp(settings: Settings, stop: threading.Event) -> None:
    """The listener."""
    from triage.accept.header_rules import describe
    from triage.receive.scp import Listener, serve

    heartbeat = starting(settings, "scp")
    ledger, blobs = open_ledger(settings), open_blobs(settings)
    blobs.sweep(ledger.known_digests, ORPHANS_OLDER_THAN)
    due = partial(due_at, quiet=settings.assembly.quiet, max_wait=settings.assembly.max_wait)
    listener = Listener(settings.dicom.ae_title, settings.dicom.host, settings.dicom.port)
    server = serve(listener, blobs, ledger, describe, due)
    try:
        address = f"{settings.dicom.ae_title}@{settings.dicom.host}:{settings.dicom.port}"
        log.info("listening as %s", address)
        beat_until(stop, heartbeat, {"address": address})
    finally:
        server.shutdown()


def run_worker(settings: Settings, stop: threading.Event) -> None:
    """The worker of this home: there is one, and it takes over whatever its predecessor had claimed."""
    import cv2

    from triage import __version__
    from triage.infer.engine import Engine
    from triage.pipeline import Pipeline
    from triage.report.composite import Device
    from triage.report.outputs import Outputs

    heartbeat = starting(settings, "worker")
    cv2.setNumThreads(1)  # views are prepared in parallel; threads within threads are slower
    threads = settings.inference.thread_count
    bundle = bundles.load(settings.inference.bundle)
    ledger, pictures = open_ledger(settings), Pictures(settings.home / "pictures")
    ledger.release_leases()
    engine = Engine(bundle, settings.inference.device, threads)
    device = Device("Mammography triage", "Open Mammography Triage", "triage", __version__, settings.dicom.ae_title)
    wanted = {one.name: one.outputs for one in settings.destination}
    outputs = Outputs(Blobs(settings.home / "results"), wanted, device)
    views = ViewsAtHand(pictures)
    calibration = calibration_of(bundle)
    pipeline = Pipeline(ledger, engine, calibration, views, outputs, threads)
    outbox = _outbox(settings, ledger)
    outbox.start()
    detail = {
        "bundle": asdict(bundle.identity),
        "device": engine.device,
        "operating_point": asdict(calibration.operating_point),
    }
    _beating(stop, heartbeat, detail)
    log.info("bundle %s %s on %s with %d threads", bundle.manifest.name, bundle.sha256[:12], engine.device, threads)
    try:
        Dispatcher(ledger, pipeline.analyse, views.get).run(stop)
    finally:
        outbox.stop()


def _outbox(settings: Settings, ledger: Ledger) -> "Outbox":
    from triage.deliver.c_store import CStore
    from triage.deliver.outbox import Outbox

    us = settings.dicom.ae_title
    return Outbox(ledger, {one.name: CStore(us, one.ae_title, one.host, one.port) for one in settings.destination})


def run_api(settings: Settings, stop: threading.Event) -> None:
    """The web pages and REST."""
    from triage.serve.app import create_app
    from triage.serve.health import HealthCheck
    from triage.serve.server import listen, run

    heartbeat = starting(settings, "api")
    ledger = open_ledger(settings)
    app = create_app(ledger, Pictures(settings.home / "pictures"), HealthCheck(settings.home, ledger))
    listener = listen(settings.http.host, settings.http.port)
    address = f"http://{settings.http.host}:{listener.getsockname()[1]}/"
    log.info("worklist at %s", address)
    _beating(stop, heartbeat, {"address": address})
    run(app, listener, stop)


_RUN: Mapping[str, Callable[[Settings, threading.Event], None]] = {
    "scp": run_scp,
    "worker": run_worker,
    "api": run_api,
}


def run_role(role: str, settings: Settings, stop: threading.Event) -> None:
    """Runs one role until told to stop; health says why if it fails."""
    # Warnings of pydicom quote values of patients into the log.
    warnings.filterwarnings("ignore", module="pydicom")
    try:
        _RUN[role](settings, stop)
    except Exception as error:
        _beat(Heartbeat(settings.home, role), RoleState.FAILING, {"error": str(error) or type(error).__name__})
        raise
