"""The circuit file: regions, populations, projections, readouts and roles, checked in itself.

Any number may be written as the symbol of a parameter, or as a product such as `ffi*long` or `-mM`; what it
then is worth is checked in `numbers.py`. The defaults are those of a circuit that becomes ill by the loss of
connections. Where illness comes from connections that grow, stress and scar raise BDNF in some populations.
"""

from collections.abc import Iterable, Mapping
from math import inf
from typing import Any, Literal

from pydantic import Field, model_validator

from unstuck.errors import choose
from unstuck.files.yaml import Document, Misplaced, at_key
from unstuck.parameters import KINDS, ORIGINS, Parameter, ParameterSet

NumberOrSymbol = float | str
OF_NORADRENALINE = ("KmN", "N0", "g2A", "K2A")  # parameters of a circuit with noradrenaline: rules/monoamine
# Numbers of a population that may be symbols, with the lowest and the highest that is allowed.
POPULATION_NUMBERS: dict[str, tuple[float, float]] = {
    "set_point_Hz": (0.0, inf),
    "maximal_Hz": (0.0, inf),
    "nmda_share": (0.0, 1.0),
    "ampa_share": (0.0, 1.0),
    "stress_on_bdnf": (-1.0, inf),
    "scar_on_bdnf": (-1.0, inf),
    "serotonin_on_bdnf": (0.0, inf),
    "noradrenaline_on_bdnf": (0.0, 1.0),
    "healing": (0.0, inf),
    "homeostasis": (0.0, inf),
    "gain_5ht1b": (0.0, inf),
    "gain_5ht2a": (0.0, inf),
    "heteroreceptor": (0.0, inf),
    "receptor_5ht2c": (0.0, inf),
}
# The value of the readout from which a patient is ill, unless the file gives another.
ILL_AT = {"weaker": 0.85, "stronger": 1.12}


class RegionFile(Document):
    """One region: the share of its serotonin that SERT does not clear, and where it is drawn (0 to 1)."""

    name: str
    uncleared_serotonin: NumberOrSymbol
    position: tuple[float, float]


class OwnParameter(Document):
    """A parameter that only this circuit has, with all that a row of parameters.csv says."""

    value: float
    unit: str = "1"
    low: float
    high: float
    kind: str = "gain"
    origin: str
    meaning: str
    source: str = Field(min_length=3)

    @model_validator(mode="after")
    def _is_as_a_row(self) -> "OwnParameter":
        for key, word, allowed in (("kind", self.kind, KINDS), ("origin", self.origin, ORIGINS)):
            with at_key(key):
                choose(word, allowed, key)
        if not self.low <= self.value <= self.high:
            raise Misplaced(("value",), f"{self.value:g} is not in its range, {self.low:g} to {self.high:g}")
        with at_key("value"):
            if fault := self.record("value").fault(self.value):
                raise ValueError(fault)
        return self

    def record(self, symbol: str) -> Parameter:
        """The parameter under its symbol."""
        about = self.unit, self.low, self.high, self.kind, self.origin, self.source
        return Parameter(symbol, self.meaning, self.value, *about)


class PopulationFile(Document):
    """One population of neurons of one cell type.

    stress_on_bdnf, scar_on_bdnf: change of BDNF synthesis at full stress and at a full scar, as a share;
    serotonin_on_bdnf, noradrenaline_on_bdnf: its gain by a monoamine; gain_5ht1b: that of excitatory drive;
    ampa_share, gain_5ht2a: share of a drug's effect on AMPA and 5-HT2A that reaches the population;
    heteroreceptor, receptor_5ht2c: drive by serotonin that inhibits, and that excites; healing: factor on the
    healing of the scar; homeostasis: rate (1/h) at which connections onto overactive cells are scaled down.
    """

    region: str
    cells: Literal["pyramidal", "interneuron", "serotonergic", "projection_gaba", "noradrenergic"]
    share: float = Field(gt=0)
    set_point_Hz: NumberOrSymbol
    maximal_Hz: NumberOrSymbol
    nmda_share: NumberOrSymbol
    ampa_share: NumberOrSymbol = 1.0
    stress_on_bdnf: NumberOrSymbol = "-stB"
    scar_on_bdnf: NumberOrSymbol = "-mM"
    serotonin_on_bdnf: NumberOrSymbol = "b5"
    noradrenaline_on_bdnf: NumberOrSymbol = 0.0
    healing: NumberOrSymbol = 1.0
    homeostasis: NumberOrSymbol = "etah"
    gain_5ht1b: NumberOrSymbol = "g1B"
    gain_5ht2a: NumberOrSymbol | None = None  # 1 in pyramidal cells, 0 in others, unless said
    heteroreceptor: NumberOrSymbol = 0.0
    receptor_5ht2c: NumberOrSymbol = 0.0
    source: str = ""

    @property
    def inhibits(self) -> bool:
        """Whether its projections inhibit."""
        return self.cells in ("interneuron", "projection_gaba")

    def trait(self, key: str) -> NumberOrSymbol:
        """A number of the population, with the default of its cells."""
        if key == "gain_5ht2a" and self.gain_5ht2a is None:
            return float(self.cells == "pyramidal")
        return getattr(self, key)


class ProjectionFile(Document):
    """One projection: weight times `times`, spread over `inputs` presynaptic neurons per target.

    Of a plastic one: the largest strength it may reach, and the core that is never lost, as shares of health.
    """

    weight: NumberOrSymbol
    times: NumberOrSymbol = 1.0
    inputs: int = Field(default=20, ge=1)
    plastic: bool = False
    largest: NumberOrSymbol = "wmaxf"
    core: NumberOrSymbol = "core"
    source: str = ""


class ReadoutFile(Document):
    """What illness is read from: mean strength of projections, or mean activity of populations (healthy = 1).

    ill_at: the value from which a patient is ill; 0.85 for `weaker` and 1.12 for `stronger` unless said.
    """

    kind: Literal["strength", "activity"]
    ill_when: Literal["weaker", "stronger"]
    of: list[str] = Field(min_length=1)
    ill_at: float | None = Field(default=None, gt=0.0)

    @property
    def limit(self) -> float:
        """The value from which a patient is ill."""
        return ILL_AT[self.ill_when] if self.ill_at is None else self.ill_at

    def is_ill(self, value: Any) -> Any:
        """Whether a value of this readout, or each value of an array, is that of an ill patient."""
        return value <= self.limit if self.ill_when == "weaker" else value >= self.limit


class RolesFile(Document):
    """What parts of the circuit the model's questions refer to.

    serotonin_source: the population that releases serotonin everywhere, or the regions that each one feeds.
    noradrenaline_source: for each noradrenergic population the regions that it feeds, with the share of
    noradrenaline there that its transporter does not clear. Other regions have no noradrenaline.
    readout: the projections whose loss is the illness, in a circuit without `readouts`.
    """

    serotonin_source: str | dict[str, list[str]]
    noradrenaline_source: dict[str, dict[str, NumberOrSymbol]] = {}
    stress_input: dict[str, NumberOrSymbol]
    readout: list[str] = []
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
    parameters: dict[str, OwnParameter] = {}
    readouts: dict[str, ReadoutFile] = {}
    primary: str = ""

    @property
    def all_readouts(self) -> dict[str, ReadoutFile]:
        """The readouts by name, the primary one first."""
        if not self.readouts:
            of = self.roles.readout
            return {"connectivity": ReadoutFile(kind="strength", ill_when="weaker", of=of)}
        return {self.primary: self.readouts[self.primary], **self.readouts}

    @property
    def readout_name(self) -> str:
        """Name of the primary readout, from which recovery is read."""
        return next(iter(self.all_readouts))

    @property
    def readout(self) -> ReadoutFile:
        """The primary readout."""
        return self.all_readouts[self.readout_name]

    @property
    def serotonin_sources(self) -> list[str]:
        """The serotonergic populations, in the order of the file."""
        return [name for name, population in self.populations.items() if population.cells == "serotonergic"]

    def feeder_of(self, region: str) -> str:
        """The serotonergic population that releases serotonin in a region."""
        source = self.roles.serotonin_source
        if isinstance(source, str):
            return source
        return next(name for name, regions in source.items() if region in regions)

    @property
    def noradrenaline_feeders(self) -> dict[str, tuple[str, NumberOrSymbol]]:
        """Region: the population that releases noradrenaline there, and the share that NET does not clear."""
        sources = self.roles.noradrenaline_source.items()
        return {region: (name, share) for name, fed in sources for region, share in fed.items()}

    def with_own_parameters(self, parameters: ParameterSet) -> ParameterSet:
        """The parameters and those that only this circuit has; values that are there already stay."""
        return parameters.with_rows({name: own.record(name) for name, own in self.parameters.items()})

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

    def _fed(self, monoamine: str, cells: str, fed_by: Mapping[str, Iterable[str]]) -> dict[str, str]:
        """The population that feeds each region with a monoamine, which `cells` release.

        ValueError for an unknown name, a region that two populations feed, or a population that feeds none.
        """
        role = f"{monoamine}_source"
        names = [name for name, population in self.populations.items() if population.cells == cells]
        fed: dict[str, str] = {}
        for name, regions in fed_by.items():
            whole = getattr(self.roles, role) == name  # the role is this one name, and no mapping
            with at_key("roles", role, *(() if whole else (name,))):
                choose(name, names, f"{cells} population")
                for region in regions:
                    choose(region, self.regions, "region")
                    if fed.setdefault(region, name) != name:
                        raise ValueError(f"region {region} is fed by {fed[region]} already")
        for name in names:
            if not fed_by.get(name):
                raise Misplaced(
                    ("populations", name, "cells"),
                    f"{name} feeds no region with {monoamine}: name its regions in roles.{role}",
                )
        return fed

    @model_validator(mode="after")
    def _serotonin_reaches_every_region(self) -> "CircuitFile":
        source = self.roles.serotonin_source
        fed_by = {source: list(self.regions)} if isinstance(source, str) else source
        fed = self._fed("serotonin", "serotonergic", fed_by)
        for region in self.regions:
            if region not in fed:
                raise Misplaced(
                    ("regions", region), f"no population of roles.serotonin_source feeds region {region}"
                )
        return self

    @model_validator(mode="after")
    def _noradrenaline_comes_from_somewhere(self) -> "CircuitFile":
        releasing = self.roles.noradrenaline_source
        fed = self._fed("noradrenaline", "noradrenergic", releasing)
        for name in releasing:
            if self.populations[name].region not in fed:
                raise Misplaced(
                    ("roles", "noradrenaline_source", name),
                    f"no noradrenaline in its own region, {self.populations[name].region}, which its"
                    " autoreceptor needs: name that region too",
                )
        for name, population in self.populations.items():
            if population.noradrenaline_on_bdnf != 0.0:
                with at_key("populations", name, "noradrenaline_on_bdnf"):
                    self._check_noradrenaline_acts(population, fed)
        missing = [symbol for symbol in OF_NORADRENALINE if releasing and symbol not in self.parameters]
        if missing:
            raise Misplaced(("parameters",), f"a circuit with noradrenaline gives also {', '.join(missing)}")
        return self

    def _check_noradrenaline_acts(self, population: PopulationFile, fed: Mapping[str, str]) -> None:
        if population.region not in fed:
            raise ValueError(
                f"no population of roles.noradrenaline_source feeds region {population.region}:"
                f" {', '.join(fed) or 'no region'} has noradrenaline"
            )
        if "KSN" not in self.parameters:
            raise ValueError("give the parameter KSN, the half-effect of noradrenaline (nM), too")
        if not population.source:
            raise ValueError("an effect of noradrenaline needs a `source` of this population")

    @model_validator(mode="after")
    def _readouts_can_be_read(self) -> "CircuitFile":
        if not self.readouts:
            if not self.roles.readout:
                raise Misplaced(("roles", "readout"), "this key is missing; or give readouts and primary")
            return self
        if self.roles.readout:
            raise Misplaced(("roles", "readout"), "leave it out, or write []: this circuit has readouts")
        with at_key("primary"):
            choose(self.primary, self.readouts, "readout")
        plastic = [name for name, projection in self.projections.items() if projection.plastic]
        for name, readout in self.readouts.items():
            allowed = plastic if readout.kind == "strength" else list(self.populations)
            what = "plastic projection" if readout.kind == "strength" else "population"
            for number, word in enumerate(readout.of):
                with at_key("readouts", name, "of", number):
                    choose(word, allowed, what)
        return self


def _check_projection(
    name: str, projection: ProjectionFile, populations: Mapping[str, PopulationFile]
) -> None:
    if name.count(">") != 1:
        raise ValueError(f"projection {name!r} is not of the form 'PRE > POST'")
    for end in projection_ends(name):
        choose(end, populations, "population")
    cells = populations[projection_ends(name)[0]].cells
    if cells in ("serotonergic", "noradrenergic"):
        raise ValueError(f"{cells} neurons act through the monoamine that they release only")
    if cells in ("interneuron", "projection_gaba") and projection.plastic:
        raise ValueError("only glutamatergic projections are plastic")


def projection_ends(name: str) -> tuple[str, str]:
    """The presynaptic and postsynaptic population of a projection written 'PRE > POST'."""
    pre, post = name.split(">")
    return pre.strip(), post.strip()
