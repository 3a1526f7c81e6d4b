"""Context files: what being treated and cared for does to patients, apart from any drug.

The effect grows from the first day of care on, and fades with the same time constant after the last:

    size_i f (1 - exp(-t / tau)),   t days since care began;   size_i lognormal with a median and a CV

`acts_on: circuit` makes it an input (drive) to the principal cells of some regions, next to the noise, so
that care and drugs act on the same circuit. `acts_on: rating` subtracts it from the rating (points) instead,
so that care and drugs simply add. Source: scenarios/contexts/.
"""

from math import exp, log, sqrt
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from unstuck.files import units as quantities
from unstuck.files.drug import Sourced
from unstuck.files.units import HOURS_A_DAY
from unstuck.files.yaml import Document, Misplaced
from unstuck.state import Floats

NotNegative = Annotated[float, Field(ge=0.0)]


class ContextFile(Document):
    """A context file. size: median over patients, in drive or in points of the rating."""

    title: str
    description: str = ""
    acts_on: Literal["circuit", "rating"]
    regions: list[str] = []
    size: Sourced[NotNegative]
    cv: Sourced[Annotated[float, Field(ge=0.0, le=3.0)]]
    time_constant: Sourced[quantities.PositiveHours]
    inflation_at_entry: Sourced[NotNegative] = Sourced[NotNegative](value=0.0, source="no inflation")

    @model_validator(mode="after")
    def _regions_are_of_the_circuit(self) -> "ContextFile":
        if (self.acts_on == "circuit") != bool(self.regions):
            raise Misplaced(("regions",), "regions are given with acts_on: circuit, and only there")
        return self

    def size_of(self, normal: float | Floats) -> Floats:
        """Size in the patient whose standard normal number this is."""
        return self.size.value * np.exp(sqrt(log(1.0 + self.cv.value**2)) * np.asarray(normal))

    def course(self, days: Floats, end_day: float | None = None) -> Floats:
        """Share of the full size (0 to 1) on days counted from the start of care; 0 before it."""
        tau = self.time_constant.value / HOURS_A_DAY
        grown = 1.0 - np.exp(-np.maximum(days, 0.0) / tau)
        if end_day is None:
            return grown
        fading = (1.0 - exp(-end_day / tau)) * np.exp(-np.maximum(days - end_day, 0.0) / tau)
        return np.where(days > end_day, fading, grown)
