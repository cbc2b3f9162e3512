"""Stage: store. Watching what calibrations do in practice: charts, assessments, incidents, shadows, replays."""

from triage.store.assessments import Assessments
from triage.store.findings import Findings
from triage.store.incidents import Incidents
from triage.store.labelled import Labelled
from triage.store.observations import Observations
from triage.store.shadows import Shadows


class Monitoring(Observations, Assessments, Incidents, Shadows, Labelled, Findings):
    """The watching side of the ledger."""
