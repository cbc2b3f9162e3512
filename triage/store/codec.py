"""Stage: store. A StudyFinding as JSON and back, without loss."""

from dataclasses import asdict
from typing import Any

from triage.core.finding import (
    BundleIdentity,
    ImageFinding,
    Logits,
    OperatingPoint,
    Outcome,
    Registration,
    StudyFinding,
)
from triage.core.reasons import Reason
from triage.core.strata import Stratum


def finding_to_json(finding: StudyFinding) -> dict[str, Any]:
    """The finding as plain JSON values."""
    return asdict(finding)


def finding_from_json(value: dict[str, Any]) -> StudyFinding:
    """The finding that `finding_to_json` wrote."""
    point, bundle, stratum = value["operating_point"], value["bundle"], value.get("stratum")
    return StudyFinding(
        **{
            **value,
            "outcome": Outcome(value["outcome"]),
            "reasons": reasons_from_json(value["reasons"]),
            "images": tuple(_image(image) for image in value["images"]),
            "operating_point": OperatingPoint(**point) if point else None,
            "bundle": BundleIdentity(**bundle) if bundle else None,
            "stratum": Stratum(**stratum) if stratum else None,
        }
    )


def reasons_from_json(value: list[dict[str, Any]]) -> tuple[Reason, ...]:
    """Reasons as they were written by `asdict`."""
    return tuple(Reason(**reason) for reason in value)


def _image(value: dict[str, Any]) -> ImageFinding:
    logits, registration = value["logits"], value["registration"]
    return ImageFinding(
        **{
            **value,
            "reasons": reasons_from_json(value["reasons"]),
            "logits": Logits(**logits) if logits else None,
            "registration": Registration(**registration) if registration else None,
        }
    )
