"""The schema of a drug file: kinetics, actions on targets and what was measured, each number with its source.

A drug is kinetics and a list of actions. An action names a target and a mode (`targets.py`) and one law:

    hill    a concentration through a Hill curve:        maximum C^n / (C^n + half_effect^n)
    pulse   given directly, after every dose (doses add): a jump that halves with a half-life, the same after
            it has been formed (`appears`), or a rise and a fall that peaks after a time (`peaks_after`)
    level   given directly, in proportion to a level that rises while the drug is taken and then decreases

Strengths are those at the usual dose. Another dose, or a patient's exposure, multiplies a concentration, a
pulse or a level. Where the strength is an occupancy or a share (0 to 1), it multiplies the odds of it. A
level follows the amount taken within a usual interval: a dose counts until the next is due, but no longer
than that. Strengths, times and half effects may be symbols of parameters, which differ between patients.
"""

from collections.abc import Callable, Iterable
from typing import Annotated, Generic, Literal, Self, TypeVar

from pydantic import Field, ValidationInfo, field_validator, model_validator

from unstuck.errors import choose
from unstuck.files import units as quantities
from unstuck.files.schedule import MOST_DOSES
from unstuck.files.yaml import Document, Misplaced, at_key
from unstuck.targets import LOCAL_FIELDS, TARGETS, Mode

T = TypeVar("T")

Confidence = Literal["A", "B", "C"]

STEADY_HALF_LIVES = 30  # after which a usual course is at its steady state
NEVER_FADES = "a pulse of a share must be below 1, because its odds halve and those of 1 never end"


class Sourced(Document, Generic[T]):
    """A number with where it comes from: a citation, `fitted`, `derived: ...`, or `assumed`."""

    value: T
    source: str = Field(min_length=3)
    confidence: Confidence | None = None


Number = Sourced[float | str]  # a number, or the symbol of a fitted parameter
Positive = Annotated[float, Field(gt=0.0)]
Share = Annotated[float, Field(gt=0.0, le=1.0)]
FULL_OCCUPANCY = Number(value=1.0, source="definition of an occupancy")


class Area(Document):
    """The effect of one usual dose as the constant effect of the same area: so strong, for so long.

    It fixes the height of a Hill curve if that was never measured: a usual course has the same mean
    effect as a drug whose effect is given directly.
    """

    effect: float | str
    lasting: quantities.PositiveHours
    source: str = Field(min_length=3)
    confidence: Confidence | None = None


class Hill(Document):
    """Effect of a concentration: maximum times C^n / (C^n + half_effect^n); the maximum, or what fixes it."""

    half_effect: Sourced[quantities.ConcentrationOrSymbol]
    exponent: Number
    maximum: Number = FULL_OCCUPANCY
    area: Area | None = None

    @model_validator(mode="after")
    def _is_a_curve(self) -> Self:
        half, exponent = self.half_effect.value, self.exponent.value
        if not isinstance(half, str) and half.amount == 0:
            raise Misplaced(("half_effect", "value"), "a half effect needs more than zero concentration")
        if not isinstance(exponent, str) and exponent <= 0:
            raise Misplaced(("exponent", "value"), f"an exponent must be more than 0, not {exponent:g}")
        # Not whether it was written: a file that a study stored has every default written.
        if self.area is not None and self.maximum != FULL_OCCUPANCY:
            raise Misplaced(("area",), "a Hill law has a maximum or an area that fixes it, not both")
        return self


class Pulse(Document):
    """Effect after a usual dose; doses add.

    `after_dose` jumps up and halves with `half_life`. What has to be formed first, like a metabolite, says
    with which half-life it `appears`; the area under the effect stays the same. `peak` with `peaks_after` p
    is the slow form peak (t/p) exp(1 - t/p).
    """

    after_dose: Number | None = None
    half_life: Sourced[quantities.HoursOrSymbol] | None = None
    appears: Sourced[quantities.HoursOrSymbol] | None = None
    peak: Number | None = None
    peaks_after: Sourced[quantities.HoursOrSymbol] | None = None

    @model_validator(mode="after")
    def _has_one_form(self) -> Self:
        given = {key for key in ("after_dose", "half_life", "peak", "peaks_after") if getattr(self, key)}
        if given not in ({"after_dose", "half_life"}, {"peak", "peaks_after"}):
            raise ValueError("a pulse has either after_dose and half_life, or peak and peaks_after")
        if self.appears and self.peak:
            raise Misplaced(("appears",), "only with after_dose and half_life")
        return self

    @property
    def size(self) -> Number:
        """The strength right after the usual dose, or at the peak."""
        size = self.after_dose or self.peak
        assert size is not None
        return size

    @property
    def size_key(self) -> str:
        """The key that gives the strength."""
        return "after_dose" if self.after_dose else "peak"


class Level(Document):
    """Effect while a usual dose is taken; rises with a time constant, decreases with a half-life.

    The strength at steady state is `while_taken`, or for a share the `odds` of it, or for a target whose
    contributions multiply the `factor`.
    """

    while_taken: Number | None = None
    odds: Number | None = None
    factor: Number | None = None
    rise_tau: Sourced[quantities.HoursOrSymbol] | None = None
    fall_half_life: Sourced[quantities.HoursOrSymbol] | None = None

    @model_validator(mode="after")
    def _has_one_strength(self) -> Self:
        if sum(given is not None for given in (self.while_taken, self.odds, self.factor)) != 1:
            raise ValueError("a level has exactly one of while_taken, odds and factor")
        return self

    @property
    def strength_key(self) -> str:
        """The key that gives the strength."""
        return next(key for key in ("while_taken", "odds", "factor") if getattr(self, key) is not None)

    def strength(self, number: Callable[[float | str], float], sign: float = 1.0) -> float:
        """Strength at the usual dose, as the modes of `targets.py` count it (0.3 where the factor is 1.3)."""
        given = number(getattr(self, self.strength_key).value)
        if self.odds:
            return given / (1.0 + given)
        return sign * (given - 1.0) if self.factor else given


class Measured(Document):
    """Occupancy measured in people: after how many doses, and how long after the last (else a mean)."""

    dose: quantities.DoseAmount
    doses: int = Field(ge=1, le=MOST_DOSES)
    after: quantities.Hours | None = None
    occupancy: float = Field(ge=0, le=1)
    spread: float | None = Field(default=None, ge=0, le=1)
    source: str = Field(min_length=3)
    confidence: Confidence | None = None


class Action(Document):
    """One action of a drug: what it acts on, how, and by which law (exactly one of hill, pulse, level).

    regions, populations: where it acts, of a target that may differ between them (everywhere if neither is
    given).
    """

    target: str
    mode: str
    region: str | None = None
    regions: list[str] = []
    populations: list[str] = []
    of: str = "parent"
    hill: Hill | None = None
    pulse: Pulse | None = None
    level: Level | None = None
    measured: list[Measured] = []
    note: str = ""

    @field_validator("target")
    @classmethod
    def _target_exists(cls, target: str) -> str:
        return choose(target, TARGETS, "target")

    @field_validator("mode")
    @classmethod
    def _mode_fits_target(cls, mode: str, info: ValidationInfo) -> str:
        target = info.data.get("target")
        return choose(mode, TARGETS[target], f"mode of {target}") if target else mode

    @model_validator(mode="after")
    def _has_one_law_within_limits(self) -> Self:
        if sum(law is not None for law in (self.hill, self.pulse, self.level)) != 1:
            raise ValueError("an action has exactly one law: hill, pulse or level")
        if (self.regions or self.populations) and self.meaning.field not in LOCAL_FIELDS:
            allowed = ", ".join(name for name in TARGETS if _may_be_local(name))
            raise Misplaced(
                ("regions" if self.regions else "populations",),
                f"{self.target} acts everywhere; these may name places: {allowed}",
            )
        if sum(map(bool, (self.region, self.regions, self.populations))) > 1:
            raise ValueError("give only one of region, regions and populations")
        if self.target == "region.input" and not (self.region or self.regions or self.populations):
            raise ValueError("region: needed by region.input")
        if self.target != "region.input" and self.region is not None:
            raise Misplaced(("region",), f"only region.input has one, {self.target} is everywhere")
        if self.hill is None and self.of != "parent":
            raise Misplaced(("of",), "only a hill law follows a compound; an effect given directly has none")
        if self.level and self.level.odds and not self.meaning.is_share:
            raise Misplaced(
                ("level", "odds"), f"{self.target} by {self.mode} is not a share: give while_taken"
            )
        if self.level and self.level.factor and self.meaning.law != "multiply":
            raise Misplaced(
                ("level", "factor"), f"{self.target} by {self.mode} is not a factor: give while_taken"
            )
        for key, strength in self.strengths():
            highest = self.meaning.highest
            if not isinstance(strength, str) and not 0 <= strength <= highest:
                allowed = f"from 0 to {highest:g}" if highest < float("inf") else "0 or more"
                raise Misplaced(key, f"{self.target} by {self.mode} must be {allowed}, not {strength:g}")
            if strength == 1 and self.never_fades:
                raise Misplaced(key, f"{self.target} by {self.mode}: {NEVER_FADES}")
        if self.hill and self.hill.area and self.meaning.highest <= 1:
            raise Misplaced(("hill", "area"), f"{self.target} by {self.mode} is a share: give its maximum")
        return self

    @property
    def place(self) -> str:
        """Where it acts, as text that differs between places."""
        return ", ".join([*([self.region] if self.region else []), *self.regions, *self.populations])

    def strengths(self) -> Iterable[tuple[tuple[str, ...], float | str]]:
        """Every strength of the action's law with its key."""
        if self.hill:
            yield ("hill", "maximum", "value"), self.hill.maximum.value
            if self.hill.area:
                yield ("hill", "area", "effect"), self.hill.area.effect
        if self.pulse:
            yield ("pulse", self.pulse.size_key, "value"), self.pulse.size.value
        if self.level and self.level.while_taken:
            yield ("level", "while_taken", "value"), self.level.while_taken.value

    def times(self) -> Iterable[tuple[tuple[str, ...], float | str]]:
        """Every time (h) of the action's law with its key."""
        for law in ("pulse", "level"):
            for key in ("half_life", "appears", "peaks_after", "rise_tau", "fall_half_life"):
                given = getattr(getattr(self, law), key, None)
                if given is not None:
                    yield (law, key, "value"), given.value

    @property
    def meaning(self) -> Mode:
        """What the mode does to the target."""
        return TARGETS[self.target][self.mode]

    @property
    def never_fades(self) -> bool:
        """Whether strength 1 would never end: the odds of a pulse halve, and those of 1 are infinite."""
        return self.pulse is not None and self.meaning.is_share


def _may_be_local(target: str) -> bool:
    """Whether a drug may act on a target in some regions or populations alone."""
    return any(mode.field in LOCAL_FIELDS for mode in TARGETS[target].values())


class Published(Document):
    """Measured kinetics of a compound at the usual dose, to compare with those of the model.

    missed: values that the model is known to miss by more than a tenth.
    """

    terminal_half_life: Sourced[quantities.PositiveHours] | None = None  # where half_life is not that
    time_to_peak: Sourced[quantities.PositiveHours] | None = None
    accumulation: Sourced[Positive] | None = (
        None  # last level before a dose at steady state, over that after one dose
    )
    peak: Sourced[quantities.Concentration] | None = None
    steady_mean: Sourced[quantities.Concentration] | None = None
    missed: list[Literal["terminal_half_life", "time_to_peak", "accumulation", "peak", "steady_mean"]] = []


class Compound(Document):
    """A compound in the blood; dose_concentration: if all of one usual dose were in the blood at once."""

    half_life: Sourced[quantities.HoursOrSymbol]
    half_life_varies_with: str | None = None  # symbol of the parameter whose drawn factor it shares
    dose_concentration: Sourced[quantities.ConcentrationOrSymbol]
    molar_mass_g_per_mol: Sourced[Positive] | None = None
    published: Published = Published()

    @property
    def molar_mass(self) -> float | None:
        """Molar mass (g/mol), if the file gives one."""
        return None if self.molar_mass_g_per_mol is None else self.molar_mass_g_per_mol.value

    @model_validator(mode="after")
    def _concentrations_become_molar(self) -> Self:
        given: dict[tuple[str, ...], Sourced[quantities.ConcentrationOrSymbol]] = {
            ("dose_concentration",): self.dose_concentration
        }
        for name in ("peak", "steady_mean"):
            number = getattr(self.published, name)
            if number is not None:
                given[("published", name)] = number
        for key, number in given.items():
            with at_key(*key, "value"):
                value = number.value
                if not isinstance(value, str) and not value.nM(self.molar_mass) > 0:
                    raise ValueError("a concentration after a dose is more than zero")
        return self


class Metabolite(Compound):
    """An active metabolite: what it comes from, and how much of that becomes it."""

    of: str = "parent"
    fraction: Sourced[Share]


class Kinetics(Compound):
    """Route and linear kinetics of the parent, and its metabolites."""

    route: Literal["oral", "intranasal", "infusion", "bolus"]
    absorption_half_life: Sourced[quantities.PositiveHours] | None = None
    effect_site_half_life: Sourced[quantities.PositiveHours] | None = None
    metabolites: dict[str, Metabolite] = {}

    @model_validator(mode="after")
    def _absorption_fits_route(self) -> Self:
        absorbed = self.route in ("oral", "intranasal")
        if absorbed != (self.absorption_half_life is not None):
            raise ValueError(
                f"absorption_half_life: {'needed' if absorbed else 'not used'} by route {self.route}"
            )
        return self

    @model_validator(mode="after")
    def _metabolites_come_from_the_parent(self) -> Self:
        for name, metabolite in self.metabolites.items():
            source, passed = metabolite.of, {name}
            with at_key("metabolites", name, "of"):
                choose(source, self.compounds, f"source of metabolite {name}")
                while source in self.metabolites:
                    if source in passed:
                        raise ValueError("metabolites come from each other and from nothing else")
                    passed.add(source)
                    source = self.metabolites[source].of
        return self

    @property
    def compounds(self) -> dict[str, Compound]:
        """The parent and its metabolites, by name."""
        return {"parent": self, **self.metabolites}


class DrugFile(Document):
    """A drug file. Class drugs give effects directly (pulse, level); compounds have kinetics (hill)."""

    title: str
    drug_class: str = Field(alias="class")
    description: str = ""
    extends: str | None = None
    usual_dose: quantities.DoseAmount | None = None  # what is no drug (a knock-out) has none
    usual_every: quantities.Interval | None = None  # None: given once
    usual_over: quantities.Hours = 0.0
    usual_schedule: str = ""
    usual_source: str = ""  # where the usual dose, interval and duration come from
    kinetics: Kinetics | None = None
    actions: list[Action]
    notes: list[str] = []
    limits: str = ""

    @field_validator("usual_dose")
    @classmethod
    def _usual_dose_is_a_dose(cls, dose: quantities.DoseAmount | None) -> quantities.DoseAmount | None:
        if dose is not None and dose.amount == 0:
            raise ValueError("a usual dose is more than zero: all other doses are multiples of it")
        return dose

    @model_validator(mode="after")
    def _usual_course_is_possible(self) -> Self:
        if self.usual_over and not self.takes_time:
            assert self.kinetics is not None
            raise Misplaced(
                ("usual_over",), f"no effect by route {self.kinetics.route}: only an infusion takes time"
            )
        if self.kinetics is None or not self.usual_every:
            return self
        half_lives = [compound.half_life.value for compound in self.kinetics.compounds.values()]
        known_h = [half_life for half_life in half_lives if not isinstance(half_life, str)]
        doses = STEADY_HALF_LIVES * max(known_h, default=0.0) / self.usual_every
        if doses > MOST_DOSES:
            raise Misplaced(
                ("usual_every",),
                f"a course until steady state ({STEADY_HALF_LIVES} half-lives) has {doses:.3g} doses,"
                f" more than {MOST_DOSES}: give fewer doses, or an infusion",
            )
        return self

    @model_validator(mode="after")
    def _actions_fit_together(self) -> Self:
        seen: set[tuple[str, str, str]] = set()
        for number, action in enumerate(self.actions):
            key = ("actions", number)
            if action.hill is not None:
                self._check_hill(action, action.hill, key)
            if (action.target, action.place, action.of) in seen:
                raise Misplaced(
                    (*key, "target"),
                    f"two actions of the same compound on {action.target}: they contradict each other",
                )
            seen.add((action.target, action.place, action.of))
        return self

    def _check_hill(self, action: Action, law: Hill, key: tuple[str | int, ...]) -> None:
        if self.kinetics is None:
            raise Misplaced((*key, "hill"), "a hill law needs kinetics")
        with at_key(*key, "of"):
            choose(action.of, self.kinetics.compounds, "compound or metabolite")
        if not isinstance(law.half_effect.value, str):
            with at_key(*key, "hill", "half_effect", "value"):
                law.half_effect.value.nM(self.kinetics.compounds[action.of].molar_mass)

    def relative_dose(self, dose: quantities.DoseAmount | None, body_weight_kg: float) -> float:
        """Dose relative to the usual dose (None: one usual dose); ValueError where there is no usual dose."""
        if dose is None:
            return 1.0
        if self.usual_dose is None:
            raise ValueError(f"{self.title} has no usual_dose, so no dose of it can be given")
        return dose.mg(body_weight_kg) / self.usual_dose.mg(body_weight_kg)

    @property
    def takes_time(self) -> bool:
        """Whether a dose of this drug can have a duration: infusions, and drugs without kinetics."""
        return self.kinetics is None or self.kinetics.route == "infusion"
