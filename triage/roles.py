"""The three roles of the service, each wired from settings and run until told to stop.

scp     the Storage SCP: image on disk and in the ledger before it is acknowledged
worker  prepares views as they arrive, analyses due studies, delivers results
api     worklist pages and REST
"""

import logging
import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from triage.assemble.completeness import due_at
from triage.assemble.dispatch import Dispatcher
from triage.core.errors import ConfigurationError
from triage.core.finding import ImageFinding
from triage.core.study import PREPROCESSING_VERSION
from triage.decide import shipped
from triage.infer import bundle as bundles
from triage.infer.runtime import installed_runtime
from triage.intake import ViewsAtHand
from triage.observe.heartbeat import Heartbeat, RoleState, read
from triage.settings import Settings
from triage.store.blobs import Blobs
from triage.store.database import open_database
from triage.store.ledger import Ledger
from triage.store.pictures import Pictures
from triage.store.secret import patient_keys

if TYPE_CHECKING:
    from triage.scoring import Scorer
    from triage.serve.bundle import ServedBundle

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


def check(settings: Settings) -> tuple[bundles.Bundle, shipped.Shipped]:
    """Everything that must hold before a role can start; the bundle and the operating points that came with it.

    Raises:
        TriageError: what is wrong, and where.
    """
    from triage import destinations, listening

    listening.check(settings.dicom)
    installed_runtime()
    bundle = bundles.load(settings.inference.bundle)
    points = shipped_with(bundle)
    destinations.outbox(settings, open_ledger(settings))
    destinations.messages(settings)
    return bundle, points


def open_blobs(settings: Settings) -> Blobs:
    """Where received images lie."""
    return Blobs(settings.home / "spool")


def shipped_with(bundle: bundles.Bundle) -> shipped.Shipped:
    """The operating points that came with a bundle.

    Raises:
        BundleError: they are missing, were changed, or were found with another bundle.
    """
    return shipped.read(bundle.file(bundles.CALIBRATIONS), bundle.sha256)


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
    from triage.deliver.commitment import listening
    from triage.listening import listener
    from triage.receive.scp import serve

    heartbeat = starting(settings, "scp")
    ledger, blobs = open_ledger(settings), open_blobs(settings)
    blobs.sweep(ledger.known_digests, ORPHANS_OLDER_THAN)
    due = partial(due_at, quiet=settings.assembly.quiet, max_wait=settings.assembly.max_wait)
    dicom, tls = settings.dicom, settings.dicom.tls
    reception = serve(listener(dicom), blobs, ledger, describe, due, listening(ledger))
    try:
        detail = {"address": f"{dicom.ae_title}@{dicom.host}:{dicom.port}"} if dicom.plain else {}
        if tls:
            detail["tls_address"] = f"{dicom.ae_title}@{tls.host}:{tls.port}"
        log.info("listening as %s", " and with TLS as ".join(detail.values()))
        beat_until(stop, heartbeat, detail)
    finally:
        reception.shutdown()


def run_worker(settings: Settings, stop: threading.Event) -> None:
    """The worker of this home: there is one, and it takes over whatever its predecessor had claimed."""
    import cv2

    from triage import __version__, destinations
    from triage.pipeline import Pipeline
    from triage.report.composite import Device
    from triage.report.outputs import Outputs

    heartbeat = starting(settings, "worker")
    cv2.setNumThreads(1)  # views are prepared in parallel; threads within threads are slower
    ledger, views = open_ledger(settings), ViewsAtHand(Pictures(settings.home / "pictures"))
    ledger.release_leases()
    scorer = _scorer(settings, settings.inference.bundle, ledger, views)
    shadow = settings.inference.shadow_bundle
    device = Device("Mammography triage", "Open Mammography Triage", "triage", __version__, settings.dicom.ae_title)
    wanted = {one.name: one.outputs for one in settings.destination}
    outputs = Outputs(Blobs(settings.home / "results"), wanted, device, destinations.messages(settings))
    pipeline = Pipeline(
        ledger, scorer, outputs, _scorer(settings, shadow, ledger, views, adopt=False) if shadow else None
    )
    outbox = destinations.outbox(settings, ledger)
    outbox.start()
    identity = scorer.engine.bundle.identity
    _beating(stop, heartbeat, {"bundle": asdict(identity), "device": scorer.engine.device})
    log.info(
        "bundle %s %s on %s with %d threads", identity.name, identity.sha256[:12], scorer.engine.device, scorer.threads
    )
    try:
        Dispatcher(ledger, pipeline.analyse, views.get).run(stop)
    finally:
        outbox.stop()


def _scorer(settings: Settings, name: str, ledger: Ledger, views: ViewsAtHand, adopt: bool = True) -> "Scorer":
    """The models of a bundle, ready; the demonstration calibrations that came with it are taken in."""
    from triage.decide.ood import read as read_ood
    from triage.infer.engine import Engine
    from triage.scoring import Scorer

    threads = settings.inference.thread_count
    bundle = bundles.load(name)
    if adopt:
        ledger.adopt(shipped_with(bundle).calibrations)
    engine = Engine(bundle, settings.inference.device, threads)
    return Scorer(engine, read_ood(bundle.file(bundles.OOD)), views, threads)


def rescorer(settings: Settings) -> Callable[[str], Mapping[str, ImageFinding]]:
    """What scores a study again from the pixels that the ledger holds: by its UID, a finding for each mammogram."""
    ledger, views = open_ledger(settings), ViewsAtHand(Pictures(settings.home / "pictures"))
    scorer = _scorer(settings, settings.inference.bundle, ledger, views, adopt=False)
    return lambda study_instance_uid: scorer.score(ledger.instances(study_instance_uid), draw=False)


def run_api(settings: Settings, stop: threading.Event) -> None:
    """The web pages and REST."""
    from triage.serve.app import create_app
    from triage.serve.health import HealthCheck
    from triage.serve.server import listen, run

    heartbeat = starting(settings, "api")
    ledger = open_ledger(settings)
    shadow = settings.inference.shadow_bundle
    served = replace(_served(settings.inference.bundle), shadow=_served(shadow) if shadow else None)
    health = HealthCheck(settings.home, ledger)
    app = create_app(ledger, Pictures(settings.home / "pictures"), health, served, patient_keys(settings.home))
    listener = listen(settings.http.host, settings.http.port)
    address = f"http://{settings.http.host}:{listener.getsockname()[1]}/"
    log.info("worklist at %s", address)
    _beating(stop, heartbeat, {"address": address})
    run(app, listener, stop)


def _served(name: str) -> "ServedBundle":
    """What the pages and REST know of a bundle."""
    from triage.serve.bundle import ServedBundle

    bundle = bundles.load(name)
    return ServedBundle(bundle.sha256, str(PREPROCESSING_VERSION), shipped_with(bundle).bounds)


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
