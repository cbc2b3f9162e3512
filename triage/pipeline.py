"""The journey as code: one study through every stage, from ledger rows to a finding, its pictures and its report.

Input: a claim on one revision of a study. Output: a result in the ledger with its planned deliveries, attention maps on
disk. Whatever is wrong with an image becomes its coded reason; only a fault of the machine (disk, database) escapes,
and then the claim is tried again.
"""

import hashlib
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from triage import __version__
from triage.accept.exam_rules import exam_reasons
from triage.core.finding import ImageFinding, OperatingPoint, Outcome, StudyFinding
from triage.core.governance import CalibrationState, CalibrationVersion
from triage.core.reasons import Reason, is_of_header, reason
from triage.core.strata import Stratum
from triage.decide.drift import baselines, step
from triage.decide.rule import judge_exam
from triage.report.outputs import Outputs
from triage.scoring import Scorer, received
from triage.store.ledger import Ledger
from triage.store.monitoring_records import Observation
from triage.store.records import Claim, PlannedDelivery, StoredInstance
from triage.store.results import Watched

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """What is said of a study before it gets its name and number."""

    outcome: Outcome
    images: tuple[ImageFinding, ...]
    reasons: tuple[Reason, ...]
    stratum: Stratum | None
    calibration: CalibrationVersion | None
    """The version in force for the stratum when the study was received."""

    @property
    def point(self) -> OperatingPoint | None:
        """The threshold that was compared with."""
        return self.calibration.operating_point if self.calibration else None


@dataclass(frozen=True)
class Pipeline:
    """Everything that analysing a study needs; one for each worker process."""

    ledger: Ledger
    scorer: Scorer
    outputs: Outputs
    shadow: Scorer | None = None
    """A second bundle that runs beside the one that serves and is compared, never shown to readers."""

    def analyse(self, claim: Claim) -> None:
        """Brings one claimed revision to a result. Whatever is raised leaves the claim to be tried again."""
        started = time.monotonic()
        instances = self.ledger.instances(claim.study_instance_uid)
        answer = self._give_up(claim, instances) if claim.exhausted else self.evaluate(instances, claim.opened_at)
        finding = self._finding(claim, instances, answer)
        deliveries = self._plan(claim, finding, instances)
        held = self.ledger.finish(claim, finding, deliveries, claim.exhausted, _watched(answer, finding))
        log.info(
            "study %s revision %d: %s %s in %.2f s%s",
            claim.study_instance_uid,
            claim.rev,
            finding.outcome,
            [found.code for found in finding.reasons],
            time.monotonic() - started,
            "" if held else " (claim lost: nothing written)",
        )
        if held and not claim.exhausted:
            self._run_shadows(instances, finding)

    def evaluate(self, instances: Sequence[StoredInstance], opened_at: datetime) -> Answer:
        """The answer to a study at the operating point that was in force when it was opened."""
        images = list(self.scorer.score(instances).values())
        set_aside = [received(one) for one in instances if not one.header.analysable]
        stratum, calibration, missing = self._calibrated(instances, opened_at)
        refusals = (*exam_reasons([one.header for one in instances]), *missing)
        point = calibration.operating_point if calibration else None
        outcome, judged, reasons = judge_exam(images, refusals, point)
        return Answer(outcome, (*judged, *set_aside), reasons, stratum, calibration)

    def _calibrated(
        self, instances: Sequence[StoredInstance], opened_at: datetime
    ) -> tuple[Stratum | None, CalibrationVersion | None, tuple[Reason, ...]]:
        """Stratum and version in force, or the reason why there is none."""
        strata = sorted({self.scorer.stratum(one) for one in instances if one.header.analysable})
        if not strata:
            return None, None, ()  # nothing to evaluate, and the exam's own reasons say so
        if len(strata) > 1:
            text = f"The images come from different sites, devices or software: {_differences(strata)}."
            return None, None, (reason("uncalibrated-device", text),)
        if strata[0].unnamed:
            text = f"The device does not say what it is: {' and '.join(strata[0].unnamed)} absent."
            return strata[0], None, (reason("uncalibrated-device", text),)
        found = self.ledger.in_force(strata[0], opened_at)
        if found.version is None:
            return strata[0], None, (reason(found.reason_code or "uncalibrated-device", found.text),)
        return strata[0], found.version, ()

    def _give_up(self, claim: Claim, instances: Sequence[StoredInstance]) -> Answer:
        found = reason("attempts-exhausted", f"Analysis failed {claim.attempts - 1} times and was given up.")
        return Answer(Outcome.NOT_EVALUATED, tuple(received(one) for one in instances), (found,), None, None)

    def _plan(self, claim: Claim, finding: StudyFinding, instances: Sequence[StoredInstance]) -> list[PlannedDelivery]:
        # Read now and not before the analysis: the earlier report may have gone out meanwhile.
        record = self.ledger.study(claim.study_instance_uid)
        try:
            return self.outputs.plan(finding, instances, record.deliveries if record else ())
        except Exception:
            if not claim.exhausted:
                raise
            # The study must end all the same, or it would be tried for ever: the worklist shows it as given up.
            log.exception("study %s: no report can be made", claim.study_instance_uid)
            return []

    def _finding(self, claim: Claim, instances: Sequence[StoredInstance], answer: Answer) -> StudyFinding:
        bundle, point = self.scorer.engine.bundle.identity, answer.point
        # Objects that are set aside change nothing: if one comes late, this is still the same result.
        manifest = sorted((one.header.sop_instance_uid, one.sha256) for one in instances if one.header.analysable)
        said = [answer.outcome, sorted((found.code, found.sop_instance_uid or "") for found in answer.reasons)]
        made_from = [claim.study_instance_uid, manifest, bundle.sha256, point.id if point else "", __version__, said]
        return StudyFinding(
            study_instance_uid=claim.study_instance_uid,
            revision=claim.rev,
            outcome=answer.outcome,
            reasons=answer.reasons,
            images=answer.images,
            operating_point=point,
            bundle=bundle,
            stratum=answer.stratum,
            result_id=hashlib.sha256(json.dumps(made_from).encode()).hexdigest(),
            decided_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )

    def _run_shadows(self, instances: Sequence[StoredInstance], finding: StudyFinding) -> None:
        """What versions in their shadow phase would have said; nothing that goes wrong here touches the result."""
        try:
            for scorer in (self.scorer, self.shadow):
                if scorer is not None:
                    self._run_shadow(scorer, instances, finding)
        except Exception:
            log.exception("study %s: the shadow run failed", finding.study_instance_uid)

    def _run_shadow(self, scorer: Scorer, instances: Sequence[StoredInstance], finding: StudyFinding) -> None:
        strata = {scorer.stratum(one) for one in instances if one.header.analysable}
        if len(strata) != 1:
            return
        versions = self.ledger.calibrations(stratum_id=strata.pop().id, state=CalibrationState.SHADOW)
        if not versions:
            return
        if scorer is self.scorer:  # the scores are there already
            analysable = {one.header.sop_instance_uid for one in instances if one.header.analysable}
            images = [image for image in finding.images if image.sop_instance_uid in analysable]
        else:
            images = list(scorer.score(instances, draw=False).values())
        refusals = exam_reasons([one.header for one in instances])
        for version in versions:
            outcome, judged, reasons = judge_exam(images, refusals, version.operating_point)
            shadow = replace(
                finding,
                outcome=outcome,
                images=judged,
                reasons=reasons,
                operating_point=version.operating_point,
                bundle=scorer.engine.bundle.identity,
                stratum=version.stratum,
            )
            self.ledger.save_shadow(shadow, version.id, finding.outcome)


def _watched(answer: Answer, finding: StudyFinding) -> Watched | None:
    """What the charts of the version in force count of this exam.

    None for exams that their headers forbid (a view missing, an implant, the wrong age): they tell of who was examined
    and what was sent, not of whether the device still makes the images that the threshold was found on, and a dozen
    incomplete studies in a row must not suspend anything.
    """
    version = answer.calibration
    if version is None or version.report is None or any(is_of_header(found) for found in finding.reasons):
        return None
    observation = Observation(
        study_instance_uid=finding.study_instance_uid,
        calibration_id=version.id,
        stratum_id=version.stratum.id,
        flag=finding.outcome is Outcome.CONFIDENTLY_NORMAL,
        refusal=finding.outcome is Outcome.NOT_EVALUATED,
        ood=any(found.code == "out-of-distribution" for found in finding.reasons),
        exam_score=finding.exam_score,
        baselines=baselines(version.report, version.kind),
    )
    return Watched(observation, step)


def _differences(strata: Sequence[Stratum]) -> str:
    """The values in which the strata differ."""
    names = ("site", "manufacturer", "model", "software_version", "acquisition_type")
    found = [sorted({getattr(stratum, name) or "not given" for stratum in strata}) for name in names]
    return "; ".join(" and ".join(values) for values in found if len(values) > 1)
