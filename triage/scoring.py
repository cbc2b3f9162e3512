"""One bundle's view of a study: prepared, registered, run through the models, held against what they know.

Input: the stored instances of a study. Output: a finding for each mammogram, scored or with its coded reason. Used for
the bundle that serves, for one that runs in its shadow, and to replay what was decided.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from triage.core.errors import Rejected
from triage.core.finding import ImageFinding, Logits, Registration
from triage.core.reasons import Reason, reason
from triage.core.strata import Stratum, stratum_of
from triage.core.study import PREPROCESSING_VERSION, Float32Image, PreparedView, RegisteredPair
from triage.core.views import View
from triage.decide.ood import OutOfDistribution, device_key
from triage.infer.engine import Engine
from triage.intake import ViewsAtHand
from triage.register.affine import register_pair
from triage.register.pairs import contralateral
from triage.store.pictures import attention_name
from triage.store.records import StoredInstance

log = logging.getLogger(__name__)

Pairs = Mapping[str, tuple[RegisteredPair | Reason, ...]]


@dataclass(frozen=True)
class _Scored:
    """What the models made of one image."""

    logits: Logits
    attention: Float32Image
    embedding: npt.NDArray[np.float32] | None
    """None for an image without a registered counterpart; such an exam is not evaluated anyway."""


@dataclass(frozen=True)
class Scorer:
    """The models of one bundle with everything that scoring needs; one for each bundle and worker process."""

    engine: Engine
    ood: OutOfDistribution
    views: ViewsAtHand
    threads: int

    def stratum(self, instance: StoredInstance) -> Stratum:
        """For what the operating point of this image must have been calibrated."""
        return stratum_of(instance.header.attributes, self.engine.bundle.sha256, str(PREPROCESSING_VERSION))

    def score(self, instances: Sequence[StoredInstance], draw: bool = True) -> dict[str, ImageFinding]:
        """A finding for each analysable image; scores for those whose header and pixels allow it.

        `draw` keeps the attention maps for the pages. Raises OSError or MemoryError: the machine's fault, not the
        images'.
        """
        known = {one.header.sop_instance_uid: one for one in instances if one.header.analysable}
        findings = {uid: received(one) for uid, one in known.items()}
        prepared: dict[str, PreparedView] = {}
        eligible = [one for one in known.values() if one.header.eligible]
        with ThreadPoolExecutor(self.threads) as pool:
            for instance, result in zip(eligible, pool.map(self._prepared, eligible), strict=True):
                uid = instance.header.sop_instance_uid
                if isinstance(result, Reason):
                    findings[uid] = _refused(findings[uid], result)
                else:
                    prepared[uid] = result
            pairs = _register(pool, {uid: view for uid in prepared if (view := findings[uid].view)}, prepared)
        try:
            scores = self._run_models(prepared, pairs)
        except (OSError, MemoryError):
            raise
        except Exception:
            log.exception("the models failed")
            return findings | {uid: _refused(findings[uid], reason("model-failed")) for uid in prepared}
        for uid, scored in scores.items():
            if draw:
                name = attention_name(self.engine.bundle.sha256)
                self.views.write_attention(known[uid], scored.attention, prepared[uid], name)
            finding = _with_scores(findings[uid], scored.logits, pairs.get(uid, ()))
            findings[uid] = self._held_against_known(finding, known[uid], prepared[uid], scored.embedding)
        return findings

    def _prepared(self, instance: StoredInstance) -> PreparedView | Reason:
        try:
            return self.views.get(instance)
        except Rejected as rejected:
            return rejected.reason

    def _run_models(self, prepared: Mapping[str, PreparedView], pairs: Pairs) -> dict[str, _Scored]:
        """What the models make of each image, the whole study in one batch."""
        whole_image = self.engine.whole_image([view.whole_image for view in prepared.values()])
        jobs = [(uid, pair.moving) for uid, found in pairs.items() for pair in _aligned_pairs(found)]
        results = self.engine.dual_view([prepared[uid].dual_view for uid, _ in jobs], [moving for _, moving in jobs])
        dual_view: dict[str, float] = {}
        embeddings: dict[str, npt.NDArray[np.float32]] = {}
        for (uid, _), (logit, embedding) in zip(jobs, results, strict=True):
            # With several images of one view the most suspicious partner counts; NaN must not get lost in a minimum.
            dual_view[uid] = min(dual_view.get(uid, logit), logit) if math.isfinite(logit) else logit
            embeddings[uid] = embedding
        return {
            uid: _Scored(self._logits(dual_view.get(uid), whole), attention, embeddings.get(uid))
            for uid, (whole, attention) in zip(prepared, whole_image, strict=True)
        }

    def _logits(self, dual_view: float | None, whole_image: float) -> Logits:
        fused = None if dual_view is None else self.engine.fuse(dual_view, whole_image)
        return Logits(dual_view, whole_image, fused)

    def _held_against_known(
        self,
        finding: ImageFinding,
        instance: StoredInstance,
        prepared: PreparedView,
        embedding: npt.NDArray[np.float32] | None,
    ) -> ImageFinding:
        """The finding with its out-of-distribution score, refused above 1."""
        if embedding is None or finding.view is None or prepared.statistics is None:
            return finding
        device = device_key(self.stratum(instance))
        oddness = self.ood.score(device, finding.view.view_position, embedding, prepared.statistics)
        if oddness <= 1:
            return replace(finding, ood=round(oddness, 4))
        text = "The image is unlike those that the model was made with"
        text += f" (by a factor of {oddness:.2f})." if math.isfinite(oddness) else "."
        return _refused(replace(finding, ood=round(min(oddness, 1e6), 4)), reason("out-of-distribution", text))


def received(instance: StoredInstance) -> ImageFinding:
    """An instance before anybody looked at its pixels."""
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


def _register(pool: ThreadPoolExecutor, views: Mapping[str, View], prepared: Mapping[str, PreparedView]) -> Pairs:
    """Each image with every eligible image of the same view of the other breast, aligned to it."""
    partners = contralateral(views)
    jobs = [(uid, other) for uid, others in partners.items() for other in others]
    results = pool.map(lambda job: _aligned(prepared[job[0]], prepared[job[1]]), jobs)
    pairs: dict[str, tuple[RegisteredPair | Reason, ...]] = {}
    for (uid, _), result in zip(jobs, results, strict=True):
        pairs[uid] = (*pairs.get(uid, ()), result)
    return pairs


def _aligned(fixed: PreparedView, moving: PreparedView) -> RegisteredPair | Reason:
    try:
        return register_pair(fixed, moving)
    except Rejected as rejected:
        return rejected.reason


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


def _registration(aligned: Sequence[RegisteredPair]) -> Registration | None:
    if not aligned:
        return None
    worst = min(aligned, key=lambda pair: pair.quality)
    return Registration(round(worst.quality, 4), worst.accepted, worst.method)
