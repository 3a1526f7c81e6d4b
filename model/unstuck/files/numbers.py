"""Checks that need the shipped parameters: unknown symbols, and values out of range.

A schema checks a file in itself. Here the symbols in a circuit or drug file become values.
"""

from collections.abc import Iterator
from math import inf

from unstuck.errors import choose
from unstuck.files.circuit import POPULATION_NUMBERS, CircuitFile, NumberOrSymbol, projection_ends
from unstuck.files.drug import NEVER_FADES, Action, DrugFile
from unstuck.files.yaml import Key, Places
from unstuck.parameters import ParameterSet, default_parameters, factors_of

MOLAR_UNITS, TIME_UNITS = ("nM", "uM"), ("h",)


def check_circuit_numbers(file: CircuitFile, places: Places) -> None:
    """InputError for an unknown symbol, a value out of range, or signs that contradict each other."""
    shipped = default_parameters()
    for symbol in file.parameters:
        if symbol in shipped:
            raise places.error(
                ("parameters", symbol), f"{symbol} is a parameter of all circuits; give this one another name"
            )
    parameters = file.with_own_parameters(shipped)
    for key, number, lowest, highest in _numbers_of(file):
        _check_number(key, number, lowest, highest, places, parameters)
    _check_set_points(file, places, parameters)
    _check_growth(file, places, parameters)
    for name, projection in file.projections.items():
        left = 1.0 - parameters["l0"] - parameters["m0"] - parameters.number(projection.core)
        if projection.plastic and left <= 0.0:
            raise places.error(
                ("projections", name, "core"), f"must be below {left + parameters.number(projection.core):g}"
            )


def _check_growth(file: CircuitFile, places: Places, parameters: ParameterSet) -> None:
    """InputError for opposite signs of stress and scar, and for a raising scar with nothing that can grow."""
    for name, population in file.populations.items():
        stress, scar = map(parameters.number, (population.stress_on_bdnf, population.scar_on_bdnf))
        if stress * scar < 0.0:
            raise places.error(
                ("populations", name, "scar_on_bdnf"),
                f"{scar:+g} contradicts stress_on_bdnf {stress:+g}: give both the same sign, or one of"
                " them 0",
            )
        inputs = [p for ends, p in file.projections.items() if p.plastic and projection_ends(ends)[1] == name]
        largest = max((parameters.number(p.largest) for p in inputs), default=0.0)
        if scar > 0.0 and largest <= parameters["wmaxf"]:
            raise places.error(
                ("populations", name, "scar_on_bdnf"),
                f"{scar:+g} raises BDNF, but no plastic projection onto {name} can grow: give one of them a"
                f" `largest` above {parameters['wmaxf']:g}",
            )


def _check_set_points(file: CircuitFile, places: Places, parameters: ParameterSet) -> None:
    """A set-point is above 0 and at most half of the maximal rate; above that there is no healthy state."""
    for name, population in file.populations.items():
        maximal_Hz = parameters.number(population.maximal_Hz)
        set_point_Hz = parameters.number(population.set_point_Hz)
        if not 0.0 < set_point_Hz <= 0.5 * maximal_Hz:
            raise places.error(
                ("populations", name, "set_point_Hz"),
                f"no healthy state: {set_point_Hz:g} must be above 0 and at most half of maximal_Hz"
                f" {maximal_Hz:g}",
            )


def check_drug(
    file: DrugFile, places: Places, regions: list[str], populations: list[str] | None = None
) -> None:
    """InputError for a place that the circuit lacks, an unknown symbol, or a strength out of range.

    populations: of the circuit; None where no circuit is named.
    """
    for number, action in enumerate(file.actions):
        key: Key = ("actions", number)
        if action.region is not None:
            _choose((*key, "region"), action.region, regions, "region", places)
        for place, name in enumerate(action.regions):
            _choose((*key, "regions", place), name, regions, "region", places)
        for place, name in enumerate(action.populations if populations is not None else []):
            _choose((*key, "populations", place), name, populations or [], "population", places)
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
        for key, (lowest, highest) in POPULATION_NUMBERS.items():
            yield ("populations", name, key), population.trait(key), lowest, highest
    for name, projection in file.projections.items():
        least = 1e-9 if projection.plastic else 0.0  # a plastic strength is measured in its healthy strength
        yield ("projections", name, "weight"), projection.weight, least, inf
        yield ("projections", name, "times"), projection.times, least, inf
        yield ("projections", name, "largest"), projection.largest, 1.0 + 1e-6, inf
        yield ("projections", name, "core"), projection.core, 0.0, 1.0
    for name, drive in file.roles.stress_input.items():
        yield ("roles", "stress_input", name), drive, -inf, inf
    for name, regions in file.roles.noradrenaline_source.items():
        for region, share in regions.items():
            yield ("roles", "noradrenaline_source", name, region), share, 1e-6, 1.0


def _check_number(
    key: Key,
    number: NumberOrSymbol,
    lowest: float,
    highest: float,
    places: Places,
    parameters: ParameterSet | None = None,
) -> None:
    parameters = parameters or default_parameters()
    if isinstance(number, str):
        for factor in factors_of(number)[1]:
            if isinstance(factor, str):
                _choose(key, factor, list(parameters), "parameter", places)
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
