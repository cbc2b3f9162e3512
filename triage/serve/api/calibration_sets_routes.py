"""Serve: REST routes of sets of labelled scores: upload as JSON or CSV, make from scored studies, read back.

Patients stand in a set by keyed hashes only; whatever might be an ID is refused, and every wrong row is named.
"""

import csv
import io
import json
from collections import Counter
from dataclasses import fields
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import ValidationError

from triage.core.governance import Actor, Purpose, Role
from triage.decide.calibration_rows import Rows, parse_csv, parse_json
from triage.serve.api.acting import Acting
from triage.serve.api.calibration_models import (
    BundleDigest,
    Declarations,
    Group,
    Name,
    SetDetail,
    SetFromStudies,
    SetMade,
    SetModel,
    SetUpload,
    StratumModel,
    Text,
)
from triage.serve.api.governing import Governing
from triage.serve.api.scored_studies import ScoredStudies
from triage.serve.bundle import ServedBundle
from triage.serve.problems import problem_responses
from triage.store.calibration_records import NewSet, SetRecord
from triage.store.ledger import Ledger

Id = Annotated[str, Path(min_length=1, max_length=32, pattern=r"^[^\x00]*$")]
_JSON, _CSV = "application/json", "text/csv"
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            _JSON: {"schema": SetUpload.model_json_schema(ref_template="#/components/schemas/{model}")},
            _CSV: {"schema": {"type": "string", "description": "The rows; everything else as query parameters."}},
        },
    }
}


class _Described:
    """What stands in the address of an upload as CSV."""

    def __init__(  # noqa: PLR0913, PLR0917 - one argument a query parameter
        self,
        name: Annotated[Name | None, Query(description="CSV only: what people call the set.")] = None,
        purpose: Annotated[Purpose | None, Query(description="CSV only: what the set is for.")] = None,
        label_source: Annotated[Text, Query(description="CSV only, as in `declarations`.")] = "",
        follow_up: Annotated[Text, Query(description="CSV only, as in `declarations`.")] = "",
        consecutive: Annotated[bool, Query(description="CSV only, as in `declarations`.")] = False,
        disjoint_from_training: Annotated[Text, Query(description="CSV only, as in `declarations`.")] = "",
        bundle_sha256: Annotated[BundleDigest, Query(description="CSV only: which models made the scores.")] = "",
    ) -> None:
        self.name, self.purpose, self.bundle_sha256 = name, purpose, bundle_sha256
        self.declarations = Declarations(
            label_source=label_source,
            follow_up=follow_up,
            consecutive=consecutive,
            disjoint_from_training=disjoint_from_training,
        )


async def _body(request: Request) -> tuple[str, bytes]:
    """Media type and content. Taken after the key was checked: nobody else may make the service hold megabytes."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in {_JSON, _CSV}:
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"A set comes as {_JSON} or as {_CSV}.")
    return media_type, await request.body()


class _Keeping:
    """Puts sets into the ledger, for the models in use."""

    def __init__(self, ledger: Ledger, bundle: ServedBundle) -> None:
        self._ledger = ledger
        self._bundle = bundle

    def __call__(self, described: SetUpload | SetFromStudies | _Described, rows: Rows, actor: Actor) -> SetDetail:
        assert described.name is not None
        assert described.purpose is not None
        digest = "" if isinstance(described, SetFromStudies) else described.bundle_sha256
        bundle = self._bundle.known(digest or self._bundle.sha256)
        if bundle is None:
            text = f"bundle_sha256: {digest} is neither the bundle that serves nor the one in its shadow"
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, text)
        made = NewSet(
            name=described.name,
            purpose=described.purpose,
            bundle_sha256=bundle.sha256,
            preprocessing=bundle.preprocessing,
            declarations=described.declarations.model_dump(),
            n_rows=len(rows),
            rows=rows.to_bytes(),
        )
        return _detail(self._ledger.add_set(made, actor), rows)


def calibration_sets_router(
    ledger: Ledger, acting: Acting, governing: Governing, bundle: ServedBundle, studies: ScoredStudies
) -> APIRouter:
    """Uploading sets and reading them."""
    router = APIRouter(prefix="/api/v1/calibration-sets", tags=["calibration sets"])
    _add_making(router, acting, _Keeping(ledger, bundle), studies)
    _add_reading(router, ledger, acting, governing)
    return router


def _add_making(router: APIRouter, acting: Acting, keep: _Keeping, studies: ScoredStudies) -> None:
    admin = Depends(acting.having(Role.ADMIN))

    @router.post(
        "",
        status_code=201,
        summary="Upload labelled scores",
        openapi_extra=_BODY,
        responses=problem_responses(401, 403, 413, 415, 422),
    )
    def upload(
        actor: Annotated[Actor, admin],
        described: Annotated[_Described, Depends()],
        body: Annotated[tuple[str, bytes], Depends(_body)],
    ) -> SetDetail:
        """Keeps a set for the models in use, all of it or nothing: 422 lists every wrong row in `errors`. By an admin.

        A set never changes; a corrected one is another set.
        """
        media_type, content = body
        if media_type == _JSON:
            given = _from_json(content)
            return keep(given, parse_json(given.rows, given.purpose), actor)
        if described.name is None or described.purpose is None:
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "query name, query purpose: CSV needs both.")
        return keep(described, parse_csv(content, described.purpose), actor)

    @router.post(
        "/from-studies",
        status_code=201,
        summary="Make a set from scored studies",
        responses=problem_responses(401, 403, 413, 422),
    )
    def from_studies(actor: Annotated[Actor, admin], body: SetFromStudies) -> SetMade:
        """The scores are the ledger's, the labels those of the request or the recorded assessments. By an admin.

        Studies that cannot be used are named in `left_out`; without a single usable one it is 422.
        """
        rows, left_out = studies.rows(body)
        return SetMade(**keep(body, rows, actor).model_dump(), left_out=left_out)


def _add_reading(router: APIRouter, ledger: Ledger, acting: Acting, governing: Governing) -> None:
    @router.get("", summary="Sets, newest first")
    def get_sets() -> list[SetModel]:
        """Every set, without its rows."""
        return [SetModel(**_fields(one)) for one in ledger.sets()]

    @router.get("/{set_id}", summary="One set", responses=problem_responses(404))
    def get_set(set_id: Id) -> SetDetail:
        """What was declared, and how many images of each stratum and BI-RADS category are in it."""
        return _detail(governing.set_record(set_id), governing.rows(set_id))

    @router.get(
        "/{set_id}/rows",
        summary="The rows of a set",
        response_class=Response,
        responses={200: {"content": {_CSV: {}}, "description": "CSV."}, **problem_responses(401, 403, 404)},
        dependencies=[Depends(acting.having(Role.ADMIN, Role.APPROVER))],
    )
    def get_rows(set_id: Id) -> Response:
        """As uploaded, in the columns of the upload. By an admin or an approver."""
        governing.set_record(set_id)
        return Response(_csv(governing.rows(set_id)), media_type=_CSV)


def _from_json(content: bytes) -> SetUpload:
    try:
        return SetUpload.model_validate(json.loads(content))
    except (ValueError, RecursionError) as error:
        if isinstance(error, ValidationError):
            raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in error.errors()]) from error
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "body: not valid JSON in UTF-8.") from error


def _csv(rows: Rows) -> str:
    """The columns that the rows have; a training set has its patients only."""
    columns = {one.name: getattr(rows, one.name) for one in fields(rows) if len(getattr(rows, one.name)) == len(rows)}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return out.getvalue()


def _fields(record: SetRecord) -> dict[str, Any]:
    values = dict(vars(record))
    values["rows"] = values.pop("n_rows")
    return values


def _detail(record: SetRecord, rows: Rows) -> SetDetail:
    strata, counts = {}, []
    if record.purpose is not Purpose.TRAINING:
        data = rows.calibration_set(record.bundle_sha256, record.preprocessing)
        strata = rows.strata(record.bundle_sha256, record.preprocessing)
        pairs = Counter(zip(data.strata.tolist(), data.birads.tolist(), strict=True))
        counts = [Group(stratum_id=one, birads=two, images=number) for (one, two), number in sorted(pairs.items())]
    return SetDetail(
        **_fields(record),
        patients=len(set(rows.patient)),
        exams=len(set(rows.exam)),
        strata={key: StratumModel.of(one) for key, one in strata.items()},
        counts=counts,
    )
