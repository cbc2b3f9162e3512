"""Serve: which models the service runs with. Input: what the role read off the bundle. Output: `ServedBundle`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ServedBundle:
    """The model bundle in use, as far as calibrations depend on it."""

    sha256: str
    preprocessing: str
    """`triage.core.study.PREPROCESSING_VERSION` as text."""
    bounds: dict[str, tuple[float, float]] | None = None
    """Lowest and highest threshold of each kind that the bundle declared before any site calibrated it."""
    shadow: "ServedBundle | None" = None
    """The bundle that runs beside this one; it can be calibrated before it serves."""

    def known(self, sha256: str) -> "ServedBundle | None":
        """This bundle, the one beside it, or None for any other."""
        found = (one for one in (self, self.shadow) if one is not None and one.sha256 == sha256)
        return next(found, None)
