"""What every reader returns."""

from dataclasses import dataclass, field

from training.data.manifest import ImageRow, LesionRow


@dataclass(frozen=True)
class ReadResult:
    """Rows with files named relative to the source, and what was left out, each with its reason."""

    rows: tuple[ImageRow, ...]
    lesions: tuple[LesionRow, ...] = ()
    missing_files: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = ()
    unknown_codes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many of each."""
        return {
            "images": len(self.rows),
            "patients": len({row.patient_id for row in self.rows}),
            "lesions": len(self.lesions),
            "missing files": len(self.missing_files),
            "duplicates": len(self.duplicates),
            "unknown codes": len(self.unknown_codes),
        }


@dataclass
class Collector:
    """Gathers rows while a source is read."""

    rows: dict[str, ImageRow] = field(default_factory=dict)
    lesions: list[LesionRow] = field(default_factory=list)
    missing_files: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    unknown_codes: list[str] = field(default_factory=list)

    def add(self, row: ImageRow, *, present: bool) -> None:
        """Takes a row unless its file is absent or was taken before."""
        if not present:
            self.missing_files.append(row.file)
        elif row.file in self.rows:
            self.duplicates.append(row.file)
        else:
            self.rows[row.file] = row

    def result(self) -> ReadResult:
        """All of it, frozen; lesions of images that were left out go with them."""
        return ReadResult(
            tuple(self.rows.values()),
            tuple(lesion for lesion in self.lesions if lesion.file in self.rows),
            tuple(self.missing_files),
            tuple(self.duplicates),
            tuple(self.unknown_codes),
        )
