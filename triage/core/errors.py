"""One root for every error of the service; a rejection always carries its coded reason."""

from triage.core.reasons import Reason


class TriageError(Exception):
    """Root of all errors raised on purpose. The message names the offending thing and what to do."""


class Rejected(TriageError):
    """An image or a study cannot be evaluated; `reason` says why, in code and in words."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"{reason.code}: {reason.text}")
        self.reason = reason


class BundleError(TriageError):
    """A model bundle is missing, incomplete or was changed after it was made."""


class ConfigurationError(TriageError):
    """A setting, a file or an installed package keeps the service from starting."""
