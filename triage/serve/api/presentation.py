"""Serve: from the ledger's record of a study to what the outside is told. Input: `StudyRecord`. Output: API models.

An answer belongs to one revision. While images are newer than the answer, the study has no outcome, and the old answer
stands under `previous_result` only: "confidently normal" for three images must never be read as said of four.
"""

from typing import Any

from triage.core.finding import ImageFinding, StudyFinding
from triage.core.reasons import Reason
from triage.core.study import InstanceHeader
from triage.core.views import STANDARD_VIEWS, View
from triage.serve.api.models import (
    BundleModel,
    DeliveryModel,
    ImageModel,
    LogitsModel,
    OperatingPointModel,
    PreviousResultModel,
    ReasonModel,
    ReceivedView,
    RegistrationModel,
    StratumModel,
    Study,
    StudySummary,
)
from triage.store.records import Delivery, StudyRecord, WorklistRow

_COPIED = (
    "study_instance_uid",
    "accession_number",
    "patient_id",
    "patient_name",
    "study_date",
    "study_description",
    "manufacturer",
    "manufacturer_model_name",
    "state",
)


def is_current(row: WorklistRow) -> bool:
    """True if the result in force answers the newest revision."""
    return row.done_rev == row.rev


def current_finding(record: StudyRecord) -> StudyFinding | None:
    """The finding of the newest revision, or None while there is none."""
    return record.finding if is_current(record.row) else None


def summary_of(record: StudyRecord) -> StudySummary:
    """The row of the worklist."""
    return StudySummary(**_summary(record))


def study_of(record: StudyRecord) -> Study:
    """The whole study."""
    finding, row = current_finding(record), record.row
    point = finding.operating_point if finding else None
    bundle = finding.bundle if finding else None
    in_force = record.finding.result_id if record.finding else None
    return Study(
        **_summary(record),
        images=_images(record, finding),
        operating_point=OperatingPointModel.model_validate(point, from_attributes=True) if point else None,
        stratum=StratumModel.model_validate(finding.stratum, from_attributes=True)
        if finding and finding.stratum
        else None,
        bundle=BundleModel.model_validate(bundle, from_attributes=True) if bundle else None,
        deliveries=[_delivery(one, one.result_id == in_force and finding is not None) for one in record.deliveries],
        attempts=row.attempts,
        last_error=row.last_error,
    )


def study_json(record: StudyRecord) -> dict[str, Any]:
    """The study as the REST interface gives it, for the command line."""
    return study_of(record).model_dump(mode="json")


def _summary(record: StudyRecord) -> dict[str, Any]:
    finding, row = current_finding(record), record.row
    return {
        **{name: getattr(row, name) for name in _COPIED},
        "revision": row.rev,
        "outcome": finding.outcome if finding else None,
        "reasons": _reasons(finding.reasons) if finding else [],
        "views": _views(record),
        "other_images": sum(one.header.view is None for one in record.instances),
        "demonstration": _demonstration(finding),
        "received_at": row.first_at,
        "last_image_at": row.last_at,
        "decided_at": row.decided_at if finding else None,
        "previous_result": _previous(record),
    }


def _demonstration(finding: StudyFinding | None) -> bool | None:
    marks = [part.demonstration for part in (finding.bundle, finding.operating_point) if part] if finding else []
    return any(marks) if marks else None


def _views(record: StudyRecord) -> list[ReceivedView]:
    """A view counts as eligible if at least one image of it is; set-aside objects such as raw twins are no view."""
    finding = current_finding(record)
    shown: list[InstanceHeader | ImageFinding] = [
        *(finding.images if finding else ()),
        *(one.header for one in record.instances if one.header.analysable and not finding),
    ]
    received: dict[View, bool] = {}
    for image in shown:
        if image.view is not None:
            received[image.view] = received.get(image.view, False) or image.eligible
    return [ReceivedView(view=view, eligible=received[view]) for view in STANDARD_VIEWS if view in received]


def _images(record: StudyRecord, finding: StudyFinding | None) -> list[ImageModel]:
    """Images as analysed, then objects that no analysis spoke of: set aside, or not analysed yet."""
    analysed = finding.images if finding else ()
    known = {image.sop_instance_uid for image in analysed}
    others = [one.header for one in record.instances if one.header.sop_instance_uid not in known]
    return [_analysed(image) for image in analysed] + [_received(header) for header in others]


def _analysed(image: ImageFinding) -> ImageModel:
    return ImageModel(
        sop_instance_uid=image.sop_instance_uid,
        laterality=image.laterality,
        view=image.view_position,
        eligible=image.eligible,
        reasons=_reasons(image.reasons),
        logits=LogitsModel.model_validate(image.logits, from_attributes=True) if image.logits else None,
        flagged=image.flagged,
        ood=image.ood,
        registration=RegistrationModel.model_validate(image.registration, from_attributes=True)
        if image.registration
        else None,
    )


def _received(header: InstanceHeader) -> ImageModel:
    return ImageModel(
        sop_instance_uid=header.sop_instance_uid,
        laterality=header.laterality,
        view=header.view_position,
        eligible=header.eligible,
        reasons=_reasons(header.reasons),
        logits=None,
        flagged=False,
        ood=None,
        registration=None,
    )


def _reasons(reasons: tuple[Reason, ...]) -> list[ReasonModel]:
    return [ReasonModel(code=one.code, text=one.text, sop_instance_uid=one.sop_instance_uid) for one in reasons]


def _delivery(one: Delivery, of_current_result: bool) -> DeliveryModel:
    values = {name: getattr(one, name) for name in DeliveryModel.model_fields if name != "of_current_result"}
    return DeliveryModel(**values, of_current_result=of_current_result)


def _previous(record: StudyRecord) -> PreviousResultModel | None:
    row = record.row
    if is_current(row) or row.outcome is None or row.decided_at is None:
        return None
    return PreviousResultModel(revision=row.done_rev, outcome=row.outcome, decided_at=row.decided_at)
