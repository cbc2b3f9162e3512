"""Decide: what speaks against abnormals borrowed from other devices. Input: a report. Output: codes and sentences.

Other devices' abnormals can stand in for a device's own only as long as it misses no more of them than they do. A
device without abnormals of its own shows nothing of that, and one that shows the contrary needs no borrowed proof.
"""

from collections.abc import Iterable, Mapping
from typing import Any

LEAST_LOCAL = 30
"""Patients of the stratum itself with an abnormal case, in both sets together. With as many, and 400 elsewhere of whom
1.6% are missed, the permutation test finds a device that misses 15% in five cases of six, with 20 in two of three."""
LEAST_P = 0.05
"""Below it the strata are taken to miss different shares, and their abnormals are not pooled."""


def pooling_refusals(report: Mapping[str, Any], kind: str, alpha: float) -> Iterable[tuple[str, str]]:
    """Code and sentence of everything that speaks against the pooled abnormals of a report on both sets.

    Codes: too-few-local-abnormals, strata-differ, local-misses-above-limit; not-evaluated if the report was made before
    local abnormals were counted.

    Args:
        report: of `triage.decide.evaluation.evaluate`.
        kind: that decides.
        alpha: largest share of abnormals that may be missed.
    """
    found = report["kinds"][kind]
    sets = {name: found[name] for name in ("calibration", "evaluation") if found.get(name)}
    if any("missed_local" not in rates for rates in sets.values()):
        yield "not-evaluated", "The report does not tell this stratum's own abnormals from pooled ones; evaluate again."
        return
    own = sum(rates["missed_local"]["clusters"] for rates in sets.values())
    if own < LEAST_LOCAL:
        yield (
            "too-few-local-abnormals",
            f"Abnormals of other strata are pooled, and those of this stratum are of {own:,} patients in both sets "
            f"together; {LEAST_LOCAL} are needed to see whether it misses more than the others.",
        )
    tested = report.get("heterogeneity")
    if tested and tested["p"] < LEAST_P:
        misses = ", ".join(f"{one['k']:,} of {one['n']:,} in {one['stratum_id']}" for one in tested["counts"])
        yield (
            "strata-differ",
            f"The strata whose abnormals are pooled do not miss the same share (p = {tested['p']:.4f}, below "
            f"{LEAST_P}): {misses}; draft without pooling, on abnormals of this stratum alone.",
        )
    local = (sets.get("evaluation") or {}).get("missed_local")
    if local and local["n"] and local["low"] > alpha:
        yield (
            "local-misses-above-limit",
            f"{local['value']:.1%} ({local['low']:.1%} to {local['high']:.1%}, {local['k']:,} of {local['n']:,}) of "
            f"this stratum's own abnormals in the evaluation set are flagged: more than {alpha:.1%}.",
        )
