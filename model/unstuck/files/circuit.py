"""The circuit file: regions, populations, projections and the roles they play, checked in itself.

Any number may be written as the symbol of a parameter; what it then is worth is checked in `numbers.py`.
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from unstuck.errors import choose
from unstuck.files.yaml import Document, Misplaced, at_key

NumberOrSymbol = float | str


class RegionFile(Document):
    """One region: the share of its serotonin that SERT does not clear, and where it is drawn (0 to 1)."""

    name: str
    uncleared_serotonin: NumberOrSymbol
    position: tuple[float, float]


class PopulationFile(Document):
    """One population of neurons of one cell type."""

    region: str
    cells: Literal["pyramidal", "interneuron", "serotonergic"]
    share: float = Field(gt=0)
    set_point_Hz: NumberOrSymbol
    maximal_Hz: NumberOrSymbol
    nmda_share: NumberOrSymbol


class ProjectionFile(Document):
    """One projection: weight times `times`, spread over `inputs` presynaptic neurons a target."""

    weight: NumberOrSymbol
    times: NumberOrSymbol = 1.0
    inputs: int = Field(default=20, ge=1)
    plastic: bool = False
    source: str = ""


class RolesFile(Document):
    """What parts of the circuit the model's questions refer to."""

    serotonin_source: str
    stress_input: dict[str, NumberOrSymbol]
    readout: list[str] = Field(min_length=1)
    forebrain: list[str] = Field(min_length=1)
    overactive: str


class CircuitFile(Document):
    """A circuit file, checked in itself: every name it uses is declared in it."""

    title: str
    description: str = ""
    extends: str | None = None
    regions: dict[str, RegionFile] = Field(min_length=1)
    populations: dict[str, PopulationFile] = Field(min_length=1)
    projections: dict[str, ProjectionFile] = Field(min_length=1)
    roles: RolesFile

    @property
    def overactive_region(self) -> str:
        """The region of the population whose firing is reported next to recovery."""
        return self.populations[self.roles.overactive].region

    @model_validator(mode="after")
    def _populations_fill_regions(self) -> "CircuitFile":
        for name, population in self.populations.items():
            with at_key("populations", name, "region"):
                choose(population.region, self.regions, "region")
        for name in self.regions.keys() - {population.region for population in self.populations.values()}:
            raise Misplaced(("regions", name), f"region {name} has no population")
        return self

    @model_validator(mode="after")
    def _projections_join_populations(self) -> "CircuitFile":
        ends: set[tuple[str, str]] = set()
        for name, projection in self.projections.items():
            with at_key("projections", name):
                _check_projection(name, projection, self.populations)
                if projection_ends(name) in ends:
                    raise ValueError(f"projection {name} is written twice")
            ends.add(projection_ends(name))
        return self

    @model_validator(mode="after")
    def _roles_exist(self) -> "CircuitFile":
        roles = self.roles
        plastic = [name for name, projection in self.projections.items() if projection.plastic]
        serotonergic = [name for name, p in self.populations.items() if p.cells == "serotonergic"]
        with at_key("roles", "serotonin_source"):
            choose(roles.serotonin_source, serotonergic, "serotonergic population")
        with at_key("roles", "overactive"):
            choose(roles.overactive, self.populations, "population")
        for name in roles.stress_input:
            with at_key("roles", "stress_input", name):
                choose(name, self.populations, "population")
        for key, names, allowed, what in (
            ("readout", roles.readout, plastic, "plastic projection"),
            ("forebrain", roles.forebrain, list(self.regions), "region"),
        ):
            for number, name in enumerate(names):
                with at_key("roles", key, number):
                    choose(name, allowed, what)
        return self


def _check_projection(
    name: str, projection: ProjectionFile, populations: Mapping[str, PopulationFile]
) -> None:
    if name.count(">") != 1:
        raise ValueError(f"projection {name!r} is not of the form 'PRE > POST'")
    for end in projection_ends(name):
        choose(end, populations, "population")
    cells = populations[projection_ends(name)[0]].cells
    if cells == "serotonergic":
        raise ValueError("serotonergic neurons act through the serotonin pools only")
    if cells == "interneuron" and projection.plastic:
        raise ValueError("only glutamatergic projections are plastic")


def projection_ends(name: str) -> tuple[str, str]:
    """The presynaptic and postsynaptic population of a projection written 'PRE > POST'."""
    pre, post = name.split(">")
    return pre.strip(), post.strip()
