"""Serve: the web application. Input: ledger, pictures, health check. Output: pages, REST, /openapi.json."""

from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from triage import __version__
from triage.serve import problems
from triage.serve.api.routes import api_router
from triage.serve.health import HealthReport
from triage.serve.pages.routes import page_router
from triage.serve.security import SecurityHeaders
from triage.store.ledger import Ledger
from triage.store.pictures import Pictures

STATIC = Path(__file__).parent / "static"
DESCRIPTION = """
Tells radiologists which screening mammograms are confidently normal. **Every exam is still read**; the flag only sorts.

* A higher logit means *more surely normal*. `flagged` says that the fused logit of one image reached the threshold.
* `outcome` is the answer to the exam: `confidently_normal` only if all four standard views were analysed and flagged;
  `not_evaluated` always carries its reasons, and such an exam is read as any other.
* `outcome` is null until the newest revision is decided: an answer to fewer images is never shown for more.
* Sensitivity counts **normal (BI-RADS 1) as positive**, the reverse of what radiologists are used to.
* Where `demonstration` is true, the model is a demonstration and not for clinical use.

Errors are RFC 9457 problem details. Reading needs no key; nothing can be changed through this interface.
"""


def create_app(ledger: Ledger, pictures: Pictures, health: Callable[[], HealthReport]) -> FastAPI:
    """The application; run it with `triage.serve.server.run`."""
    app = FastAPI(
        title="Mammography triage",
        version=__version__,
        description=DESCRIPTION,
        # FastAPI's own documentation pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(SecurityHeaders)
    problems.install(app)
    app.include_router(api_router(ledger, pictures, health))
    app.include_router(page_router(ledger, pictures, health))
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app
