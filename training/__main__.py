"""`python -m training` is the command `triage-train`."""

from training.cli import app

app()
