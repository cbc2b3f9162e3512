"""No silent normal: does any defect of a study leave it flagged, and what do the rules cost studies without one?

Phantom exams of four vendor looks that the service flags when nothing is wrong with them are spoiled in one way each
and sent through intake, ledger, analysis and report of the default bundle, with the threshold laid below every score:
whatever is evaluated is flagged, so that a hole shows. Alone it takes a small sample; `--full` measures the stated
numbers and records them (about 40 minutes on two cores; `--folder` resumes a run that was cut off).
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from _evidence import Row, record
from scipy.stats import binomtest

# The root comes first: `tests/training` must not hide the package `training`.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from refusal_run import VENDORS, Run, mutated, phantom_exam, prepared_process, without

from training.phantom.mutated_headers import header_mutations
from training.phantom.mutated_pixels import OUT_OF_DISTRIBUTION, PIXEL_MUTATIONS
from training.phantom.mutated_studies import DEVICE_MUTATIONS, HARMLESS, STUDY_MUTATIONS
from training.phantom.mutations import Mutation, Study

if TYPE_CHECKING:
    from refusal_port import Delivered

MUTATIONS = (*header_mutations(), *STUDY_MUTATIONS, *DEVICE_MUTATIONS, *PIXEL_MUTATIONS)
KINDS: dict[str, Sequence[Mutation]] = {"mutated": MUTATIONS, "odd": OUT_OF_DISTRIBUTION, "harmless": HARMLESS}
SMALL = {"clean": 8, "mutated": len(MUTATIONS), "odd": len(OUT_OF_DISTRIBUTION), "harmless": len(HARMLESS)}
FULL = {"clean": 1000, "mutated": 10_000, "odd": 400, "harmless": 880}
BASES_PER_LOOK = 5
FIRST_BASE, FIRST_CLEAN = 610_000_000, 620_000_000
"""Seeds that no data set, test or tuning uses; `patient_id` holds nine digits."""
SEED = 17
STUDIES_A_SERVICE = 40
"""Studies sent to one running service, all before the first answer is waited for."""


@dataclass(frozen=True)
class Plan:
    """What all processes of one run share."""

    numbers: dict[str, int]
    off: str = ""
    """A reason code whose rules are switched off: the negative control."""
    bundle: str = "default"
    workers: int = 2

    def jobs(self) -> Iterator[tuple[str, int]]:
        """Kind and number of every study."""
        yield from ((kind, number) for kind, count in self.numbers.items() for number in range(count))


def spoiled(kind: str, number: int, plan: Plan) -> tuple[Mutation, str, int]:
    """Mutation, vendor look and number of the base exam of one study; looks and bases change with every round."""
    known = [one for one in KINDS[kind] if plan.off in ("", *one.codes)]
    mutation = known[number % len(known)]
    turn = number // len(known)
    return mutation, VENDORS[(turn + number) % len(VENDORS)], (turn // len(VENDORS)) % BASES_PER_LOOK


class Worker:
    """One process: its share of the studies, one line of JSON each."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.run = Run(folder, plan.bundle)
        # A spot check of the remembering: these studies are analysed anew from file to score as well.
        (folder / "plain").mkdir()
        self.plain = Run(folder / "plain", plan.bundle, memory=False)
        self.base = lru_cache(maxsize=None)(self._base)

    def _base(self, vendor: str, number: int) -> Study:
        """A phantom exam that is flagged as it is."""
        seed = FIRST_BASE + 1000 * VENDORS.index(vendor) + 100 * number
        while True:
            study = phantom_exam(seed, vendor)
            if self.run.answer(mutated(study, None, np.random.default_rng(0), f"base-{seed}")).flagged:
                return study
            seed += 1

    def answer(self, kind: str, number: int) -> dict[str, Any]:
        """The line of one study."""
        if kind == "clean":
            vendor = VENDORS[number % len(VENDORS)]
            study, name, codes = phantom_exam(FIRST_CLEAN + number, vendor, None), "clean", frozenset[str]()
            study = mutated(study, None, np.random.default_rng(0), f"clean-{number}")
        else:
            mutation, vendor, base = spoiled(kind, number, self.plan)
            rng = np.random.default_rng([SEED, *kind.encode(), number])
            study = mutated(self.base(vendor, base), mutation, rng, f"{kind}-{number}")
            name, codes = mutation.name, mutation.codes
        answered = self.run.answer(study)
        if number % 50 == 49 and not self.plan.off:
            again = self.plain.answer(study)
            if again != answered:
                raise RuntimeError(f"{name}: {answered} when remembered, {again} when made anew")
        return {
            "kind": kind,
            "number": number,
            "name": name,
            "look": vendor,
            "flagged": answered.flagged,
            "refused": answered.refused,
            "expected": bool(answered.codes & codes),
            "reported": answered.reported,
            "codes": sorted(answered.codes),
        }


def work(plan: Plan, share: int, done: set[tuple[str, int]], out: Path) -> None:
    """Every `workers`-th study that is not done yet."""
    memory = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=memory)))
        stack.enter_context(prepared_process())
        if plan.off:
            stack.enter_context(without(plan.off))
        worker = Worker(plan, folder)
        lines = stack.enter_context(out.open("a", encoding="utf-8"))
        for position, (kind, number) in enumerate(plan.jobs()):
            if position % plan.workers == share and (kind, number) not in done:
                lines.write(json.dumps(worker.answer(kind, number)) + "\n")
                lines.flush()


def run(plan: Plan, folder: Path) -> list[dict[str, Any]]:
    """All answers, those of an earlier run in the same folder included."""
    done = {(line["kind"], line["number"]) for line in _lines(folder)}
    context = get_context("spawn")
    arguments = [(plan, share, done, folder / f"part-{share}.jsonl") for share in range(plan.workers)]
    processes = [context.Process(target=work, args=one) for one in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise SystemExit(f"a process failed; see above. Its answers so far are in {folder}")
    wanted = set(plan.jobs())
    return [line for line in _lines(folder) if (line["kind"], line["number"]) in wanted]


def _lines(folder: Path) -> list[dict[str, Any]]:
    whole = [line for path in sorted(folder.glob("part-*.jsonl")) for line in path.read_text().splitlines()]
    return [json.loads(line) for line in whole if line.endswith("}")]


def table(lines: Sequence[dict[str, Any]], kind: str) -> None:
    """Prints one row for each mutation."""
    print(f"\n{kind:44} {'n':>6} {'refused':>8} {'flagged':>8} {'expected':>9}  codes")
    for name in dict.fromkeys(line["name"] for line in sorted(lines, key=lambda line: line["number"])):
        rows = [line for line in lines if line["name"] == name]
        codes = Counter(code for row in rows for code in row["codes"])
        sums = [sum(row[key] for row in rows) for key in ("refused", "flagged", "expected")]
        named = ", ".join(f"{code} {count}" for code, count in codes.most_common(4))
        print(f"{name:44} {len(rows):6} {sums[0]:8} {sums[1]:8} {sums[2]:9}  {named}")


def interval(k: int, n: int) -> tuple[float, float]:
    """Exact 95% interval (Clopper and Pearson) of k of n."""
    found = binomtest(k, n).proportion_ci(0.95, "exact")
    return round(float(found.low), 6), round(float(found.high), 6)


_HOW = (
    "in process: intake, ledger, analysis and report; default bundle, threshold below every score; outputs of the"
    " models, registrations and prepared views remembered by digest, every 50th study checked without"
)


def rows_of(lines: Sequence[dict[str, Any]]) -> list[Row]:
    """The figures of a run."""
    kinds = ("mutated", "clean", "odd", "harmless")
    bad, clean, odd, harmless = ([line for line in lines if line["kind"] == kind] for kind in kinds)
    flagged = sum(line["flagged"] for line in bad)
    told = sum(line["refused"] and line["reported"] for line in bad)
    expected = sum(line["expected"] for line in bad)
    lost = sum(not line["flagged"] for line in clean)
    spared = sum(not line["flagged"] for line in harmless)
    caught = sum(line["refused"] for line in odd)
    n = len(bad)
    distinct = len({(line["name"], line["look"]) for line in bad})
    return [
        Row("refusals-flagged", f"mutated studies flagged confidently normal, {distinct} pairs of defect and look",
            flagged, "studies", n, interval(flagged, n), target="0", holds=flagged == 0, note=_HOW),
        Row("refusals-told", "mutated studies not evaluated, with every coded reason in the report", told / n, "share",
            n, interval(told, n), target="1", holds=told == n),
        Row("refusals-expected", "mutated studies refused by the rule that was meant", expected / n, "share", n,
            interval(expected, n)),
        Row("refusals-false", "clean phantom exams not evaluated (half of them with findings)", lost / len(clean),
            "share", len(clean), interval(lost, len(clean)), target="<= 0.01", holds=lost <= 0.01 * len(clean)),
        Row("refusals-harmless", "studies not evaluated after a legal, harmless change", spared / len(harmless),
            "share", len(harmless), interval(spared, len(harmless)), target="<= 0.01",
            holds=spared <= 0.01 * len(harmless)),
        Row("refusals-odd", "studies of noise, blur, inverted greys, rotation or another body part not evaluated",
            caught / len(odd), "share", len(odd), interval(caught, len(odd)),
            note="left to the out-of-distribution check; not among the mutated studies"),
    ]  # fmt: skip


def control(plan: Plan, code: str, folder: Path) -> Row:
    """With one rule switched off the same benchmark must see flags."""
    folder.mkdir(exist_ok=True)
    lines = run(Plan({"mutated": 40}, code, plan.bundle, 1), folder)
    flagged = sum(line["flagged"] for line in lines)
    print(f"\nnegative control, rules of `{code}` switched off: {flagged} of {len(lines)} flagged")
    what = f"negative control: studies flagged with the rules of {code} switched off"
    return Row("refusals-control", what, flagged, "studies", len(lines), target="> 0", holds=flagged > 0)


def by_port(count: int, bundle: str) -> Row:
    """Mutated studies sent by DCMTK to a running service, answered over REST, reported to a DCMTK receiver."""
    sendable = [one for one in MUTATIONS if one.sendable]
    step = max(1, len(sendable) // max(count, 1))
    picked = [(number, sendable[(number * step) % len(sendable)]) for number in range(count)]
    bases = [phantom_exam(FIRST_BASE + number, vendor) for number, vendor in enumerate(VENDORS)]
    refused = 0
    # A service for every few: hundreds of refusals in a row would suspend its calibrations, and say so too.
    for start in range(0, count, STUDIES_A_SERVICE):
        found = _verdicts(picked[start : start + STUDIES_A_SERVICE], bases, bundle)
        refused += sum(one.refused for one in found)
        for one in found:
            print(f"by port: {one.mutation:44} {one.outcome} {sorted(one.codes)}{'' if one.refused else '  <-- HOLE'}")
    what = "mutated studies sent by storescu: not_evaluated over REST, coded reasons in the SR that storescp received"
    return Row("refusals-port", what, refused, "studies", count, target=str(count), holds=refused == count)


def _verdicts(picked: Sequence[tuple[int, Mutation]], bases: Sequence[Study], bundle: str) -> "list[Delivered]":
    from refusal_port import send, verdict
    from running_service import Service

    with tempfile.TemporaryDirectory() as folder:
        service = Service(Path(folder), bundle)
        service.pacs.start()
        service.start()
        try:
            out = Path(folder) / "out"
            sent = [(send(service, bases[number % len(bases)], one, number, out), one) for number, one in picked]
            return [verdict(service, study, one) for study, one in sent]
        finally:
            service.stop()
            service.pacs.stop()


def main() -> None:
    """Small by default, see the top of the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    for kind, small in SMALL.items():
        parser.add_argument(f"--{kind}", type=int, metavar="N", help=f"{small}; with --full {FULL[kind]}")
    parser.add_argument("--full", action="store_true", help="the stated numbers, recorded in docs/results")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="studies sent to a running service")
    parser.add_argument("--without", default="", metavar="CODE", help="switch the rules of a reason off, and only that")
    parser.add_argument("--folder", type=Path, help="where answers are kept; the same folder resumes")
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    base = FULL if chosen.full else SMALL
    numbers = {kind: base[kind] if vars(chosen)[kind] is None else vars(chosen)[kind] for kind in base}
    plan = Plan(numbers, bundle=chosen.bundle, workers=chosen.workers)
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if chosen.without:
            control(plan, chosen.without, folder)
            return
        lines = run(plan, folder)
        for kind in numbers:
            table([line for line in lines if line["kind"] == kind], kind)
        rows = rows_of(lines)
        rows.append(control(plan, "view-modifier", folder / "control"))
    if chosen.port or chosen.full:
        rows.append(by_port(chosen.port or 20, plan.bundle))
    for row in rows:
        print(json.dumps({key: value for key, value in asdict(row).items() if value not in ("", None)}))
    if chosen.full:
        print(record("calibration", "benchmarks/refusals.py --full", rows))
    if not all(row.holds for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
