"""The journey as code: one study through every stage, from ledger rows to a finding, its pictures and its report.

Input: a claim on one revision of a study. Output: a result in the ledger with its planned deliveries, attention maps on
disk. Whatever is wrong with an image becomes its coded reason; only a fault of the machine (disk, database) escapes,
and then the claim is tried again.
"""

import hashlib
import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from triage import __version__
from triage.accept.exam_rules import exam_reasons
from triage.core.errors import Rejected
from triage.core.finding import ImageFinding, Logits, Outcome, Registration, StudyFinding
from triage.core.reasons import Reason, reason
from triage.core.study import Float32Image, PreparedView, RegisteredPair
from triage.core.views import View
from triage.decide.operating_point import CalibrationRecord
from triage.decide.rule import judge_exam
from triage.infer.engine import Engine
from triage.intake import ViewsAtHand
from triage.register.affine import register_pair
from triage.register.pairs import contralateral
from triage.report.outputs import Outputs
from triage.store.ledger import Ledger
from triage.store.pictures import attention_name
from triage.store.records import Claim, PlannedDelivery, StoredInstance

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pipeline:
    """Everything that analysing a study needs; one for each worker process."""

    ledger: Ledger
    engine: Engine
    calibration: CalibrationRecord
    views: ViewsAtHand
    outputs: Outputs
    threads: int

    def analyse(self, claim: Claim) -> None:
        """Brings one claimed revision to a result. Whatever is raised leaves the claim to be tried again."""
        started = time.monotonic()
        instances = self.ledger.instances(claim.study_instance_uid)
        finding = self._give_up(claim, instances) if claim.exhausted else self._evaluate(claim, instances)
        deliveries = self._plan(claim, finding, instances)
        held = self.ledger.finish(claim, finding, deliveries, dead=claim.exhausted)
        log.info(
            "study %s revision %d: %s %s in %.2f s%s",
            claim.study_instance_uid,
            claim.rev,
            finding.outcome,
            [found.code for found in finding.reasons],
            time.monotonic() - started,
            "" if held else " (claim lost: nothing written)",
        )

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

    def _give_up(self, claim: Claim, instances: Sequence[StoredInstance]) -> StudyFinding:
        images = tuple(_image(one) for one in instances)
        found = reason("attempts-exhausted", f"Analysis failed {claim.attempts - 1} times and was given up.")
        return self._finding(claim, instances, Outcome.NOT_EVALUATED, images, (found,))

    def _evaluate(self, claim: Claim, instances: Sequence[StoredInstance]) -> StudyFinding:
        headers = [one.header for one in instances]
        refusals = (*exam_reasons(headers), *self._uncalibrated(instances))
        images = self._score({one.header.sop_instance_uid: one for one in instances if one.header.analysable})
        set_aside = [_image(one) for one in instances if not one.header.analysable]
        outcome, judged, reasons = judge_exam(list(images.values()), refusals, self.calibration.operating_point)
        return self._finding(claim, instances, outcome, (*judged, *set_aside), reasons)

    def _uncalibrated(self, instances: Sequence[StoredInstance]) -> tuple[Reason, ...]:
        devices = {
            (str(attributes.get("Manufacturer") or ""), str(attributes.get("ManufacturerModelName") or ""))
            for attributes in (one.header.attributes for one in instances if one.header.analysable)
        }
        unseen = sorted(device for device in devices if not self.calibration.covers(*device))
        return tuple(
            reason(
                "uncalibrated-device",
                f"No operating point was calibrated for {' '.join(device).strip() or 'an unnamed device'}.",
            )
            for device in unseen
        )

    def _score(self, instances: Mapping[str, StoredInstance]) -> dict[str, ImageFinding]:
        """A finding for each analysable image; scores for those whose header and pixels allow it."""
        findings = {uid: _image(one) for uid, one in instances.items()}
        prepared: dict[str, PreparedView] = {}
        eligible = [one for one in instances.values() if one.header.eligible]
        with ThreadPoolExecutor(self.threads) as pool:
            for instance, result in zip(eligible, pool.map(self._prepared, eligible), strict=True):
                uid = instance.header.sop_instance_uid
                if isinstance(result, Reason):
                    findings[uid] = _refused(findings[uid], result)
                else:
                    prepared[uid] = result
            pairs = self._register(pool, {uid: view for uid in prepared if (view := findings[uid].view)}, prepared)
        try:
            scores = self._run_models(prepared, pairs)
        except (OSError, MemoryError):
            raise  # the machine's fault, not the images': the study is tried again
        except Exception:
            log.exception("the models failed")
            return findings | {uid: _refused(findings[uid], reason("model-failed")) for uid in prepared}
        for uid, (logits, attention) in scores.items():
            name = attention_name(self.engine.bundle.sha256)
            self.views.write_attention(instances[uid], attention, prepared[uid], name)
            findings[uid] = _with_scores(findings[uid], logits, pairs.get(uid, ()))
        return findings

    def _prepared(self, instance: StoredInstance) -> PreparedView | Reason:
        try:
            return self.views.get(instance)
        except Rejected as rejected:
            return rejected.reason

    def _register(
        self, pool: ThreadPoolExecutor, views: Mapping[str, View], prepared: Mapping[str, PreparedView]
    ) -> dict[str, tuple[RegisteredPair | Reason, ...]]:
        """Each image with every eligible image of the same view of the other breast, aligned to it."""
        partners = contralateral(views)
        jobs = [(uid, other) for uid, others in partners.items() for other in others]
        results = pool.map(lambda job: _aligned(prepared[job[0]], prepared[job[1]]), jobs)
        pairs: dict[str, tuple[RegisteredPair | Reason, ...]] = {}
        for (uid, _), result in zip(jobs, results, strict=True):
            pairs[uid] = (*pairs.get(uid, ()), result)
        return pairs

    def _run_models(
        self, prepared: Mapping[str, PreparedView], pairs: Mapping[str, tuple[RegisteredPair | Reason, ...]]
    ) -> dict[str, tuple[Logits, Float32Image]]:
        """Logits and attention map of each image, the whole study in one batch."""
        whole_image = self.engine.whole_image([view.whole_image for view in prepared.values()])
        jobs = [(uid, pair.moving) for uid, found in pairs.items() for pair in _aligned_pairs(found)]
        logits = self.engine.dual_view([prepared[uid].dual_view for uid, _ in jobs], [moving for _, moving in jobs])
        dual_view: dict[str, float] = {}
        for (uid, _), logit in zip(jobs, logits, strict=True):
            # With several images of one view the most suspicious partner counts; NaN must not get lost in a minimum.
            dual_view[uid] = min(dual_view.get(uid, logit), logit) if math.isfinite(logit) else logit
        return {
            uid: (self._logits(dual_view.get(uid), whole), attention)
            for uid, (whole, attention) in zip(prepared, whole_image, strict=True)
        }

    def _logits(self, dual_view: float | None, whole_image: float) -> Logits:
        fused = None if dual_view is None else self.engine.fuse(dual_view, whole_image)
        return Logits(dual_view, whole_image, fused)

    def _finding(
        self,
        claim: Claim,
        instances: Sequence[StoredInstance],
        outcome: Outcome,
        images: tuple[ImageFinding, ...],
        reasons: tuple[Reason, ...],
    ) -> StudyFinding:
        bundle, point = self.engine.bundle.identity, self.calibration.operating_point
        # Objects that are set aside change nothing: if one comes late, this is still the same result.
        manifest = sorted((one.header.sop_instance_uid, one.sha256) for one in instances if one.header.analysable)
        answer = [outcome, sorted((found.code, found.sop_instance_uid or "") for found in reasons)]
        made_from = [claim.study_instance_uid, manifest, bundle.sha256, point.id, __version__, answer]
        return StudyFinding(
            study_instance_uid=claim.study_instance_uid,
            revision=claim.rev,
            outcome=outcome,
            reasons=reasons,
            images=images,
            operating_point=point,
            bundle=bundle,
            result_id=hashlib.sha256(json.dumps(made_from).encode()).hexdigest(),
            decided_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )


def _image(instance: StoredInstance) -> ImageFinding:
    header = instance.header
    return ImageFinding(
        header.sop_instance_uid,
        header.sop_class_uid,
        header.series_instance_uid,
        header.laterality,
        header.view_position,
        header.eligible,
        tuple(found.on(header.sop_instance_uid) for found in header.reasons),
    )


def _refused(finding: ImageFinding, found: Reason) -> ImageFinding:
    return replace(finding, eligible=False, reasons=(*finding.reasons, found.on(finding.sop_instance_uid)))


def _aligned_pairs(found: Sequence[RegisteredPair | Reason]) -> list[RegisteredPair]:
    """The pairs to score: all of them, or none if one did not hold."""
    aligned = [pair for pair in found if isinstance(pair, RegisteredPair) and pair.accepted]
    return aligned if len(aligned) == len(found) else []


def _with_scores(finding: ImageFinding, logits: Logits, found: Sequence[RegisteredPair | Reason]) -> ImageFinding:
    registration = _registration([pair for pair in found if isinstance(pair, RegisteredPair)])
    scored = replace(finding, logits=logits, registration=registration)
    if not found or _aligned_pairs(found):
        return scored
    failed = [pair for pair in found if isinstance(pair, Reason)]
    return _refused(scored, failed[0] if failed else reason("registration-failed"))


def _aligned(fixed: PreparedView, moving: PreparedView) -> RegisteredPair | Reason:
    try:
        return register_pair(fixed, moving)
    except Rejected as rejected:
        return rejected.reason


def _registration(aligned: Sequence[RegisteredPair]) -> Registration | None:
    if not aligned:
        return None
    worst = min(aligned, key=lambda pair: pair.quality)
    return Registration(round(worst.quality, 4), worst.accepted, worst.method)
