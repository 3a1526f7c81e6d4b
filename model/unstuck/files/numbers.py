"""Checks that need the shipped parameters: unknown symbols, and values out of range.

A schema checks a file in itself. Here the symbols in a circuit or drug file become values.
"""

from collections.abc import Iterator
from math import inf

from unstuck.errors import choose
from unstuck.files.circuit import CircuitFile, NumberOrSymbol
from unstuck.files.drug import NEVER_FADES, Action, DrugFile
from unstuck.files.yaml import Key, Places
from unstuck.parameters import default_parameters

MOLAR_UNITS, TIME_UNITS = ("nM", "uM"), ("h",)


def check_circuit_numbers(file: CircuitFile, places: Places) -> None:
    """InputError for an unknown symbol or a value out of range."""
    for key, number, lowest, highest in _numbers_of(file):
        _check_number(key, number, lowest, highest, places)
    _check_set_points(file, places)


def _check_set_points(file: CircuitFile, places: Places) -> None:
    """A set-point is above 0 and at most half of the maximal rate; above that there is no healthy state."""
    parameters = default_parameters()
    for name, population in file.populations.items():
        maximal_Hz = parameters.number(population.maximal_Hz)
        set_point_Hz = parameters.number(population.set_point_Hz)
        if not 0.0 < set_point_Hz <= 0.5 * maximal_Hz:
            raise places.error(
                ("populations", name, "set_point_Hz"),
                f"no healthy state: {set_point_Hz:g} must be above 0 and at most half of maximal_Hz"
                f" {maximal_Hz:g}",
            )


def check_drug(file: DrugFile, places: Places, regions: list[str]) -> None:
    """InputError for a region that the circuit lacks, an unknown symbol, or a strength out of range."""
    for number, action in enumerate(file.actions):
        key: Key = ("actions", number)
        if action.region is not None:
            _choose((*key, "region"), action.region, regions, "region", places)
        for inner, strength in action.strengths():
            _check_number((*key, *inner), strength, 0.0, action.meaning.highest, places)
            if action.never_fades and default_parameters().number(strength) == 1.0:
                raise places.error((*key, *inner), NEVER_FADES)
        _check_curve(key, action, places)
        _check_size(key, action, places)
        for inner, time in action.times():
            _check_unit((*key, *inner), time, "time", TIME_UNITS, places)
    _check_kinetics(file, places)


def _check_size(key: Key, action: Action, places: Places) -> None:
    """Odds and factors are more than 0; a factor of a mode that lowers is at most 1."""
    for name in ("odds", "factor"):
        given = getattr(action.level, name, None)
        if given is not None:
            place = (*key, "level", name, "value")
            lowers = name == "factor" and action.meaning.sign < 0
            least = 1.0 if name == "factor" and not lowers else 0.0
            _check_number(place, given.value, least, 1.0 if lowers else inf, places)


def _check_kinetics(file: DrugFile, places: Places) -> None:
    """Half-lives and concentrations given by symbol are times and concentrations."""
    for name, compound in file.kinetics.compounds.items() if file.kinetics else ():
        key: Key = ("kinetics",) if name == "parent" else ("kinetics", "metabolites", name)
        _check_unit((*key, "half_life", "value"), compound.half_life.value, "time", TIME_UNITS, places)
        dose = compound.dose_concentration.value
        _check_unit((*key, "dose_concentration", "value"), dose, "concentration", MOLAR_UNITS, places)
        if compound.half_life_varies_with is not None:
            place = (*key, "half_life_varies_with")
            _check_unit(place, compound.half_life_varies_with, "time", TIME_UNITS, places)


def _check_curve(key: Key, action: Action, places: Places) -> None:
    """A half effect is a concentration, and an exponent is more than zero, by symbol too."""
    if action.hill is None:
        return
    _check_number((*key, "hill", "exponent", "value"), action.hill.exponent.value, 1e-9, inf, places)
    half_effect = action.hill.half_effect.value
    _check_unit((*key, "hill", "half_effect", "value"), half_effect, "concentration", MOLAR_UNITS, places)


def _check_unit(key: Key, value: object, what: str, units: tuple[str, ...], places: Places) -> None:
    """A symbol, if it is one, names a parameter in one of the units."""
    if isinstance(value, str):
        fitting = [name for name, record in default_parameters().records.items() if record.unit in units]
        _choose(key, value, fitting, what, places)


def _numbers_of(file: CircuitFile) -> Iterator[tuple[Key, NumberOrSymbol, float, float]]:
    """Key, number, lowest and highest allowed value of everything in a circuit file that may be a symbol."""
    for name, region in file.regions.items():
        yield ("regions", name, "uncleared_serotonin"), region.uncleared_serotonin, 1e-6, 1.0
    for name, population in file.populations.items():
        yield ("populations", name, "nmda_share"), population.nmda_share, 0.0, 1.0
        yield ("populations", name, "maximal_Hz"), population.maximal_Hz, 0.0, inf
        yield ("populations", name, "set_point_Hz"), population.set_point_Hz, -inf, inf
    for name, projection in file.projections.items():
        yield ("projections", name, "weight"), projection.weight, 0.0, inf
        yield ("projections", name, "times"), projection.times, 0.0, inf
    for name, drive in file.roles.stress_input.items():
        yield ("roles", "stress_input", name), drive, -inf, inf


def _check_number(key: Key, number: NumberOrSymbol, lowest: float, highest: float, places: Places) -> None:
    parameters = default_parameters()
    if isinstance(number, str):
        _choose(key, number, list(parameters), "parameter", places)
    value = parameters.number(number)
    if not lowest <= value <= highest:
        allowed = f"at least {lowest:g}" if highest == inf else f"from {lowest:g} to {highest:g}"
        named = f" (parameter {number!r})" if isinstance(number, str) else ""
        raise places.error(key, f"must be {allowed}, not {value:g}{named}")


def _choose(key: Key, word: str, allowed: list[str], what: str, places: Places) -> None:
    try:
        choose(word, allowed, what)
    except ValueError as fault:
        raise places.error(key, str(fault)) from None
