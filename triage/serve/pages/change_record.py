"""Serve: the change record of one calibration, in the three parts of a predetermined change control plan.

Input: `ChangeMaterial`. Output: a `Document`. The parts are those that the FDA's final guidance on such plans
(December 2024) names: Description of Modifications, Modification Protocol, Impact Assessment.
"""

import re
from datetime import UTC, datetime

from triage.core.governance import CalibrationState, CalibrationVersion
from triage.serve.pages.change_impact import impact
from triage.serve.pages.change_material import ChangeMaterial
from triage.serve.pages.change_protocol import protocol
from triage.serve.pages.document import Document, Paragraph, Section, Table
from triage.serve.pages.figures import KIND_WORDS, percent, safety_text, threshold_text, yes_no

NOT_CLEARED = (
    "Read order only: every exam is still read by a radiologist, whatever the flag says. The output is not cleared or "
    "approved by any authority as a basis for clinical decisions."
)
DEMONSTRATION = (
    "Demonstration calibration: it came with the model bundle, its threshold was found on synthetic images, and it "
    "says nothing about real mammograms. Not for clinical use."
)
NOT_EVALUATED = (
    "This version was not evaluated yet. What the record says of its threshold and its impact is open until it is."
)


def change_record(material: ChangeMaterial) -> Document:
    """The whole record; what is not known yet is said to be so."""
    version = material.version
    notices = [NOT_CLEARED]
    if version.demonstration:
        notices.insert(0, DEMONSTRATION)
    if version.report is None and not version.demonstration:
        notices.insert(0, NOT_EVALUATED)
    signers = dict.fromkeys(act.printed_name for act in material.history)
    place = version.stratum.site or "site not named"
    return Document(
        title=f"Change record: version {version.number} for {version.stratum.device}",
        subtitle=f"Calibration {version.id}, for {place}. State: {version.state.value.replace('_', ' ')}.",
        author=", ".join(signers) or version.author,
        file_stem=f"change-record-{_plain(version.stratum.device)}-v{version.number}-{_plain(version.id)[:12]}",
        notices=tuple(notices),
        sections=(_modifications(material), protocol(material), impact(material)),
    )


def moment(value: datetime) -> str:
    """A time that means the same everywhere."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text)[:60].strip("-") or "unnamed"


def _modifications(material: ChangeMaterial) -> Section:
    version, old = material.version, material.predecessor
    stratum = version.stratum
    place = (
        ("Site", stratum.site),
        ("Manufacturer", stratum.manufacturer),
        ("Model", stratum.model),
        ("Software version", stratum.software_version),
        ("Acquisition type", stratum.acquisition_type),
        ("Model bundle, SHA-256", stratum.bundle_sha256),
        ("Preprocessing version", stratum.preprocessing),
        ("Stratum", stratum.id),
    )
    signatures = tuple(
        (
            moment(act.at),
            act.act.value,
            f"{act.from_state.value if act.from_state else 'none'} -> {act.to_state.value}",
            f"{act.printed_name} ({act.by})",
            act.meaning,
        )
        for act in material.history
    )
    return Section(
        "1. Description of Modifications",
        (
            Paragraph(_what(version, old)),
            Paragraph(_why(material)),
            Table("What changes", ("Item", "Before", "After", "Changed"), _differences(version, old)),
            Table("For what it holds (and for nothing else)", ("Item", "Value"), _named(place)),
            Table("Signatures", ("Time", "Act", "State", "Who", "Meaning"), signatures),
        ),
    )


def _what(version: CalibrationVersion, old: CalibrationVersion | None) -> str:
    replaces = (
        f"It replaces version {old.number} ({old.id})."
        if old
        else "No version was in force for this stratum before it; until one is, its exams are not evaluated."
    )
    return (
        f"Only the operating point changes: version {version.number} sets the threshold above which an exam of this "
        f"stratum is marked confidently normal. {replaces} Model weights, preprocessing and the reading of exams stay "
        "as they are: another model bundle or preprocessing is another stratum and needs calibrations of its own."
    )


def _why(material: ChangeMaterial) -> str:
    old = material.predecessor
    if material.version.demonstration:
        reason = "The model bundle ships it so that the service can be tried out."
    elif old is None:
        reason = "This device had no calibration, and no threshold is taken over from another device."
    elif old.state is CalibrationState.SUSPENDED:
        reason = f"Version {old.number} was suspended."
    elif old.demonstration:
        reason = f"Version {old.number} is a demonstration and not for clinical use."
    else:
        reason = f"Every calibration expires, version {old.number} on {moment(old.expires_at)}."
    return f"Why: {reason} What each signer vouches for stands under Signatures."


def _differences(version: CalibrationVersion, old: CalibrationVersion | None) -> tuple[tuple[str, ...], ...]:
    after = _described(version)
    before = _described(old) if old else dict.fromkeys(after, "none")
    return tuple((item, before[item], after[item], yes_no(before[item] != after[item])) for item in after)


def _described(version: CalibrationVersion) -> dict[str, str]:
    pooled = (version.report or {}).get("pool_abnormals")
    said = version.protocol
    return {
        "Calibration": version.id,
        "Version": str(version.number),
        "Exams are decided by": KIND_WORDS[version.kind],
        "Threshold": _threshold(version, version.threshold),
        "Image threshold": _threshold(version, version.image_threshold),
        "Which limit decides": "open" if version.report is None else safety_text(version.limited_by_safety),
        "Target sensitivity": percent(said["target_sensitivity"]) if "target_sensitivity" in said else "not given",
        "Most misses allowed (alpha)": percent(said["alpha"]) if "alpha" in said else "not given",
        "Abnormal images of other strata used": "open" if pooled is None else yes_no(pooled),
        "Demonstration": yes_no(version.demonstration),
        "Calibration set": version.calibration_set or "none",
        "Evaluation set": version.evaluation_set or "none",
        "Holds until": moment(version.expires_at),
    }


def _threshold(version: CalibrationVersion, value: float | None) -> str:
    if value is None and version.report is None and not version.demonstration:
        return "open until evaluated"
    return threshold_text(value)


def _named(pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, ...], ...]:
    return tuple((name, value or "(empty)") for name, value in pairs)
