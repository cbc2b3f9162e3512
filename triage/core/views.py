"""The four standard views of a screening mammogram."""

from enum import StrEnum


class View(StrEnum):
    """Laterality and view position together, named as on a hanging protocol."""

    RCC = "RCC"
    LCC = "LCC"
    RMLO = "RMLO"
    LMLO = "LMLO"

    @property
    def laterality(self) -> str:
        """ImageLaterality (0020,0062): R or L."""
        return self.value[0]

    @property
    def view_position(self) -> str:
        """ViewPosition (0018,5101): CC or MLO."""
        return self.value[1:]

    @property
    def contralateral(self) -> "View":
        """The same view of the other breast."""
        return View(("L" if self.laterality == "R" else "R") + self.view_position)


STANDARD_VIEWS = tuple(View)


def standard_view(laterality: str | None, view_position: str | None) -> View | None:
    """The standard view of a laterality (R/L) and a view position (CC/MLO), or None for anything else."""
    try:
        return View(f"{laterality}{view_position}")
    except ValueError:
        return None
