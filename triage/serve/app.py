"""Serve: the web application. Input: ledger, pictures, health check. Output: pages, REST, /openapi.json."""

from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from triage import __version__
from triage.serve import problems
from triage.serve.api import acting as acts
from triage.serve.api.acting import Acting
from triage.serve.api.calibration_routes import calibration_router
from triage.serve.api.calibration_sets_routes import calibration_sets_router
from triage.serve.api.governing import Governing
from triage.serve.api.monitoring_routes import monitoring_router
from triage.serve.api.people_routes import people_router
from triage.serve.api.routes import api_router
from triage.serve.api.scored_studies import ScoredStudies
from triage.serve.body_limit import BodyLimit
from triage.serve.bundle import ServedBundle
from triage.serve.health import HealthReport
from triage.serve.pages.calibration_pages import calibration_page_router
from triage.serve.pages.routes import page_router
from triage.serve.security import SecurityHeaders
from triage.store.ledger import Ledger
from triage.store.pictures import Pictures
from triage.store.secret import PatientKeys

STATIC = Path(__file__).parent / "static"
DESCRIPTION = """
Tells radiologists which screening mammograms are confidently normal. **Every exam is still read**; the flag only sorts.

* A higher logit means *more surely normal*. `flagged` says that the fused logit of one image reached the threshold.
* `outcome` is the answer to the exam: `confidently_normal` only if all four standard views were analysed and flagged;
  `not_evaluated` always carries its reasons, and such an exam is read as any other.
* `outcome` is null until the newest revision is decided: an answer to fewer images is never shown for more.
* Sensitivity counts **normal (BI-RADS 1) as positive**, the reverse of what radiologists are used to.
* Where `demonstration` is true, the model is a demonstration and not for clinical use.

Errors are RFC 9457 problem details. Reading studies and calibrations needs no key; every act needs a person's key as
`Authorization: Bearer <key>`. Nothing is deleted through this interface, and no study can be changed.
"""


def create_app(
    ledger: Ledger, pictures: Pictures, health: Callable[[], HealthReport], bundle: ServedBundle, keys: PatientKeys
) -> FastAPI:
    """The application; run it with `triage.serve.server.run`.

    Args:
        bundle: the models in use, whose calibrations are made and approved here.
        keys: what stands for patients in sets that are made from scored studies.
    """
    app = FastAPI(
        title="Mammography triage",
        version=__version__,
        description=DESCRIPTION,
        # FastAPI's own documentation pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        # FastAPI's own OpenTelemetry would put addresses into spans, and a search for a patient stands in them.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.add_middleware(BodyLimit)
    app.add_middleware(SecurityHeaders)
    problems.install(app)
    acts.install(app)
    acting, governing = Acting(ledger), Governing(ledger, bundle)
    studies = ScoredStudies(ledger, bundle, keys)
    app.include_router(api_router(ledger, pictures, health))
    app.include_router(calibration_router(ledger, acting, governing))
    app.include_router(calibration_sets_router(ledger, acting, governing, bundle, studies))
    app.include_router(monitoring_router(ledger, acting, governing))
    app.include_router(people_router(ledger, acting))
    app.include_router(page_router(ledger, pictures, health))
    app.include_router(calibration_page_router(ledger, governing, health))
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app
