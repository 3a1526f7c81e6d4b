"""Checks that need the shipped parameters: unknown symbols, and values out of range.

A schema checks a file in itself. Here the symbols in a circuit or drug file become values.
"""

from collections.abc import Iterator
from math import inf

from unstuck.files.circuit import CircuitFile, NumberOrSymbol
from unstuck.files.drug import NEVER_FADES, Action, DrugFile
from unstuck.files.yaml import Key, Places, choose
from unstuck.parameters import default_parameters

MOLAR_UNITS = ("nM", "uM")


def check_circuit_numbers(file: CircuitFile, places: Places) -> None:
    """InputError for an unknown symbol or a value out of range."""
    for key, number, lowest, highest in _numbers_of(file):
        _check_number(key, number, lowest, highest, places)


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
        if action.pulse and action.pulse.appears:
            _check_unit(
                (*key, "pulse", "appears", "value"), action.pulse.appears.value, "time", ("h",), places
            )


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
