"""Report: a finding as an HL7 v2.5.1 message ORU^R01 for the RIS, whose worklist reads no DICOM objects.

Input: a finding, headers of its source images, how the site wants its messages. Output: the message in UTF-8. All of it
is preliminary, and its procedure is the triage, not the mammogram: nothing may file it as the radiologist's report.
A priority is only ever raised. A normal flag carries none, so that no exam is read later than it was ordered.
"""

import hashlib
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from triage.core.errors import ConfigurationError, TriageError
from triage.core.finding import Outcome, StudyFinding
from triage.report import codes as triage
from triage.report.conformance import conforming
from triage.report.source import text
from triage.report.wording import LIMITED_BY_SAFETY, exam_sentences, image_name, is_demonstration

URGENCY = ("S", "A", "R")
"""HL7 table 0485, most urgent first: stat, as soon as possible, routine."""

_ORDERED = {"STAT": "S", "HIGH": "A", "ROUTINE": "R", "MEDIUM": "R", "LOW": "R"}
"""Requested Procedure Priority (0040,1003) in those codes."""
_PRIORITY_NAMES = {"S": "Stat", "A": "ASAP", "R": "Routine"}
_CATEGORIES = {
    Outcome.CONFIDENTLY_NORMAL: triage.CONFIDENTLY_NORMAL,
    Outcome.NOT_FLAGGED: triage.NOT_FLAGGED,
    Outcome.NOT_EVALUATED: triage.NOT_EVALUATED,
}
_COMMENT = Code("121106", "DCM", "Comment")
_ALGORITHM_NAME = Code("111001", "DCM", "Algorithm Name")
_ALGORITHM_VERSION = Code("111003", "DCM", "Algorithm Version")
_STUDY = Code("113014", "DCM", "DICOM Study")
_ESCAPES = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}  # HL7 v2.5.1 section 2.7.1
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_LONGEST = 199
"""Characters of ST, escapes included (HL7 v2.5.1 section 2.A.73)."""
_LINE = 66
"""Characters of a line of TX: even if each one is escaped, receivers that take no more than an ST get it whole."""


@dataclass(frozen=True)
class Hl7Mapping:
    """How one receiver wants its messages. Applications and facilities may have components, as in `LAB^1.2.3^ISO`."""

    sending_application: str = "TRIAGE"
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    assigning_authority: str = ""
    """Of the patient ID (PID-3.4), where the images name no issuer."""
    patient_class: str = ""
    """PV1-2, such as O for outpatients; without it there is no PV1."""
    procedure: Code = triage.PROCEDURE
    """OBR-4. Never the mammogram's own code: the message would pass for its report."""
    accession_fields: tuple[int, ...] = (3, 18)
    """Fields of OBR that get the accession number: 2 and 3 are the order numbers of placer and filler."""
    scores: bool = True
    """Whether the exam's score and the threshold are sent."""
    priorities: Mapping[Outcome, str] | None = None
    """TQ1-9 for an outcome; never for a confidently normal exam."""
    ordered_priority: str = ""
    """What this site's orders carry where the images do not say; without it only the most urgent code is sent."""

    def __post_init__(self) -> None:
        """Errors: ConfigurationError: a priority that could lower one, or that nobody could compare."""
        wanted = self.priorities or {}
        if Outcome.CONFIDENTLY_NORMAL in wanted:
            raise ConfigurationError("priorities: a confidently normal exam gets none, since it must not be read later")
        unknown = sorted({*wanted.values(), *filter(None, [self.ordered_priority])} - set(URGENCY))
        if unknown:
            raise ConfigurationError(f"priorities: {', '.join(unknown)} is none of {', '.join(URGENCY)} (table 0485)")
        if not set(self.accession_fields) <= {2, 3, 18, 19, 20, 21}:
            raise ConfigurationError("accession_fields: the accession number goes into OBR-2, 3, 18, 19, 20 or 21")


def message_control_id(result_id: str) -> str:
    """MSH-10, 20 characters: the same finding has the same one, so that a receiver knows a message sent twice."""
    return hashlib.sha256(f"oru/{result_id}".encode()).hexdigest()[:20]


def oru(finding: StudyFinding, evidence: Sequence[Dataset], mapping: Hl7Mapping) -> bytes:
    """The message about one finding. The same arguments give the same bytes.

    Args:
        finding: the answer to one revision of the study.
        evidence: headers of the source images, of any quality, in any order.
        mapping: the receiver's wishes.

    Raises:
        TriageError: no header is given, so nothing says whose result it is.
    """
    if not evidence:
        raise TriageError(f"No source image of study {finding.study_instance_uid} to report on: give their headers.")
    source = min(evidence, key=lambda header: text(header, "SOPInstanceUID"))
    segments = [_msh(finding, mapping), _pid(source, mapping)]
    if mapping.patient_class:
        segments.append(_segment("PV1", {1: "1", 2: _escaped(mapping.patient_class)}))
    segments.append(_obr(finding, source, mapping))
    if priority := raised_priority(finding.outcome, source, mapping):
        segments.append(_segment("TQ1", {1: "1", 9: _coded(Code(priority, "HL70485", _PRIORITY_NAMES[priority]))}))
    at = _time(finding.decided_at)
    for number, observation in enumerate(_observations(finding, mapping), 1):
        segments.append(_segment("OBX", {11: "P", 14: at} | observation | {1: str(number)}))
    return "".join(f"{segment}\r" for segment in segments).encode("utf-8", errors="replace")


def raised_priority(outcome: Outcome, source: Dataset, mapping: Hl7Mapping) -> str | None:
    """The code for TQ1-9, or None where it would lower what was ordered, or might."""
    wanted = (mapping.priorities or {}).get(outcome)
    if wanted is None or outcome is Outcome.CONFIDENTLY_NORMAL:
        return None
    ordered = _ORDERED.get(text(source, "RequestedProcedurePriority").strip().upper()) or mapping.ordered_priority
    most = URGENCY.index(ordered) if ordered else 0  # unknown: it may have been the most urgent one
    return wanted if URGENCY.index(wanted) <= most else None


def _msh(finding: StudyFinding, mapping: Hl7Mapping) -> str:
    parties = (
        mapping.sending_application,
        mapping.sending_facility,
        mapping.receiving_application,
        mapping.receiving_facility,
    )
    fields = {number: _components(party) for number, party in enumerate(parties, 3)}
    # A demonstration is no production data (table 0103): a receiver in clinical use is to refuse it.
    processing = "T" if is_demonstration(finding) else "P"
    fields |= {7: _time(finding.decided_at), 9: "ORU^R01^ORU_R01", 10: message_control_id(finding.result_id)}
    fields |= {11: processing, 12: "2.5.1", 18: "UNICODE UTF-8"}
    return "MSH|^~\\&" + _segment("", fields)[2:]  # the separator is MSH-1, the encoding characters are MSH-2


def _pid(source: Dataset, mapping: Hl7Mapping) -> str:
    named = _escaped(conforming(source, "IssuerOfPatientID"))
    issuer = named or _components(mapping.assigning_authority, "&")
    number = _escaped(conforming(source, "PatientID"))
    fields = {
        1: "1",
        3: f"{number}^^^{issuer}".rstrip("^") if number else "",
        5: _name(conforming(source, "PatientName")),
        7: conforming(source, "PatientBirthDate"),
        8: conforming(source, "PatientSex"),
    }
    return _segment("PID", fields)


def _name(name: str) -> str:
    """PN as XPN: other order of prefix and suffix, and one repetition for each writing (table 0465)."""
    repetitions = []
    for group, writing in zip(name.split("="), "AIP", strict=False):
        family, given, middle, prefix, suffix = [*map(_escaped, group.split("^")), "", "", "", "", ""][:5]
        if any((family, given, middle)):
            repetitions.append("^".join((family, given, middle, suffix, prefix, "", "L", writing)))
    return "~".join(repetitions) or "^^^^^^U"  # required; table 0200: unspecified


def _obr(finding: StudyFinding, source: Dataset, mapping: Hl7Mapping) -> str:
    accession = _escaped(conforming(source, "AccessionNumber"))
    date, time = conforming(source, "StudyDate"), conforming(source, "StudyTime")
    taken = date and date + time.partition(".")[0] + conforming(source, "TimezoneOffsetFromUTC") * bool(time)
    fields = dict.fromkeys(mapping.accession_fields, accession)
    fields |= {1: "1", 4: _coded(mapping.procedure), 7: taken, 22: _time(finding.decided_at), 24: "RAD", 25: "P"}
    return _segment("OBR", fields)


def _observations(finding: StudyFinding, mapping: Hl7Mapping) -> Iterator[dict[int, str]]:
    """Fields of OBX: category, reasons, scores, what the reader must know, which models, which study."""
    yield {2: "CWE", 3: _coded(triage.TRIAGE_CATEGORY), 5: _coded(_CATEGORIES[finding.outcome])}
    names = {image.sop_instance_uid: image_name(image) for image in finding.images}
    for number, code in enumerate(dict.fromkeys(found.code for found in finding.reasons), 1):
        said = [(names.get(one.sop_instance_uid or ""), one.text) for one in finding.reasons if one.code == code]
        texts = "; ".join(dict.fromkeys(f"{name}: {text}" if name else text for name, text in said))
        value = f"{_coded(triage.REASONS[code])}^^^^^^{_short(texts)}"  # CWE.9 is the original text
        yield {2: "CWE", 3: _coded(triage.REASON), 4: str(number), 5: value}
    point = finding.operating_point
    if mapping.scores and finding.outcome is not Outcome.NOT_EVALUATED and finding.exam_score is not None:
        yield _number(triage.NORMALITY_SCORE, finding.exam_score)
        if point is not None and point.threshold is not None:
            yield _number(triage.THRESHOLD, point.threshold)
    limited = (LIMITED_BY_SAFETY,) if point is not None and point.limited_by_safety else ()
    for number, sentence in enumerate((*exam_sentences(finding), *limited), 1):
        lines = map(_escaped, textwrap.wrap(sentence, _LINE))
        yield {2: "TX", 3: _coded(_COMMENT), 4: str(number), 5: "~".join(lines)}
    if finding.bundle:
        yield {2: "ST", 3: _coded(_ALGORITHM_NAME), 5: _escaped(finding.bundle.name)}
        yield {2: "ST", 3: _coded(_ALGORITHM_VERSION), 5: _escaped(finding.bundle.version)}
    yield {2: "ST", 3: _coded(_STUDY), 5: _escaped(finding.study_instance_uid), 11: "O"}  # part of the order, no result


def _number(concept: Code, value: float) -> dict[int, str]:
    """A dimensionless logit. No reference range (OBX-7): a score below one would look like a sign of disease."""
    return {2: "NM", 3: _coded(concept), 5: f"{value:.6f}", 6: _coded(triage.NO_UNITS)}


def _segment(name: str, fields: Mapping[int, str]) -> str:
    values = [fields.get(number, "") for number in range(1, max(fields) + 1)]
    return "|".join([name, *values]).rstrip("|")


def _coded(code: Code) -> str:
    return "^".join(map(_escaped, (code.value, code.meaning, code.scheme_designator)))


def _components(value: str, separator: str = "^") -> str:
    """A hierarchic designator whose components the site separated by `^`."""
    return separator.join(_escaped(part) for part in value.split("^"))


def _escaped(value: str) -> str:
    """Text as a value: what would divide the message is escaped, control characters become a space."""
    return "".join(_ESCAPES.get(character, character) for character in _CONTROL.sub(" ", value))


def _short(value: str) -> str:
    """Text escaped and of a length that ST allows."""
    shown = value
    while len(_escaped(shown)) > _LONGEST:
        value = value[:-1]
        shown = f"{value}..."
    return _escaped(shown)


def _time(moment: str) -> str:
    """ISO 8601 as DTM with the zone of UTC."""
    parsed = datetime.fromisoformat(moment)
    parsed = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return parsed.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000")
