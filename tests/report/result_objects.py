"""Every kind of result object of a finding, by the name of its output."""

from collections.abc import Iterator, Sequence
from functools import cache

from pydicom.dataset import Dataset
from varied_findings import studies

from triage.core.finding import StudyFinding
from triage.report.composite import Device
from triage.report.outputs import OTHERS, REPORTS
from triage.report.structured_report import structured_report

OUTPUTS = (*REPORTS, *OTHERS)
TREES = (*REPORTS, "kos", "cad-sr")


def made(finding: StudyFinding, evidence: Sequence[Dataset], device: Device, output: str) -> Dataset | None:
    if output in REPORTS:
        return structured_report(finding, evidence, [], device, REPORTS[output])
    return OTHERS[output](finding, evidence, device)


def objects(
    finding: StudyFinding, evidence: Sequence[Dataset], device: Device, outputs: Sequence[str] = OUTPUTS
) -> Iterator[tuple[str, Dataset]]:
    for output in outputs:
        if (ds := made(finding, evidence, device, output)) is not None:
            yield output, ds


@cache
def results_of(name: str, device: Device) -> dict[str, Dataset]:
    """All objects of one of the varied studies. They are shared: whoever changes one copies it first."""
    finding, datasets = studies()[name]
    return dict(objects(finding, datasets, device))
