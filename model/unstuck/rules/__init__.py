"""The biology, written once: one mechanism per file, as small scalar functions with equation and source.

The compiled engine, the agents and the mean-field all call these functions. They use numbers only: no region,
no drug, no file. Rules named `*_change` return the rate of change of a slow variable per hour.
"""

from collections.abc import Mapping
from typing import NamedTuple

from unstuck.rules.adaptation import Adaptation
from unstuck.rules.bdnf import Bdnf
from unstuck.rules.firing import Firing
from unstuck.rules.heteroreceptors import Heteroreceptors
from unstuck.rules.monoamine import Monoamine
from unstuck.rules.plasticity import Plasticity
from unstuck.rules.receptors import hill
from unstuck.rules.scar import Scar
from unstuck.rules.trkb import Trkb


class Rules(NamedTuple):
    """The parameters of all rules, by mechanism."""

    firing: Firing
    serotonin: Monoamine
    noradrenaline: Monoamine
    bdnf: Bdnf
    trkb: Trkb
    scar: Scar
    plasticity: Plasticity
    adaptation: Adaptation
    heteroreceptors: Heteroreceptors


# Fields of `Monoamine` whose symbol is another than their name, by monoamine. A circuit with noradrenaline
# gives the symbols of the second; in another one they are those of serotonin and mean nothing.
_SYMBOLS: dict[str, dict[str, str]] = {
    "serotonin": {"gA": "g1A", "KA": "K1A"},
    "noradrenaline": {"Km": "KmN", "S0": "N0", "gA": "g2A", "KA": "K2A", "KS": "KSN"},
}


def rules_of(parameters: Mapping[str, float]) -> Rules:
    """The parameters of all rules, from values by symbol; the derived rates are worked out here.

    Raises:
        ValueError: the healthy shares of strength leave nothing to be lost, or synthesis could be negative.
    """
    unless_given = {"K1H": parameters["K1A"], "K2C": parameters["K1A"], "aG": 1.0}
    serotonin, noradrenaline = _SYMBOLS.values()
    for field, symbol in noradrenaline.items():
        unless_given[symbol] = parameters[serotonin.get(field, field)]
    values = {**unless_given, **parameters, **_derived_rates(parameters)}
    if values["b5"] * hill(values["S0"], values["KS"], 1.0) >= 1.0:
        raise ValueError(f"b5 = {values['b5']:g}: BDNF synthesis would be negative without serotonin")
    groups = {
        name: kind(*(values[_symbol(name, field)] for field in kind._fields))
        for name, kind in Rules.__annotations__.items()
    }
    return Rules(**groups)


def _symbol(group: str, field: str) -> str:
    """Symbol of the parameter whose value a field of a group of rules has."""
    return _SYMBOLS[group].get(field, field) if group in _SYMBOLS else field


def _derived_rates(p: Mapping[str, float]) -> dict[str, float]:
    """The rates at which the healthy state does not change, and the gate Q at health."""
    left = 1.0 - p["l0"] - p["m0"] - p["core"]
    if left <= 0.0 or p["wmaxf"] <= 1.0:
        raise ValueError(
            f"l0 + m0 + core = {1.0 - left:g} must be below 1, and wmaxf = {p['wmaxf']:g} above 1"
        )
    healthy_gate = hill(1.0, p["QK"], p["nT"])
    k1 = p["m0"] * (1.0 / p["taum"] + p["k2"] * healthy_gate) / (p["l0"] * healthy_gate)
    potentiation = healthy_potentiation(p, p["wmaxf"])
    return {"Q1": healthy_gate, "k1": k1, "etap": potentiation, "etad": healthy_loss(p, p["core"])}


def healthy_potentiation(p: Mapping[str, float], largest: float) -> float:
    """Rate etap (1/h) at which a synapse of this largest strength is constant in health."""
    healthy_gate = hill(1.0, p["QK"], p["nT"])
    k1 = p["m0"] * (1.0 / p["taum"] + p["k2"] * healthy_gate) / (p["l0"] * healthy_gate)
    return p["l0"] * (1.0 / p["taul"] + k1 * healthy_gate) * (1.0 + p["rho2"]) / (largest - 1.0)


def healthy_loss(p: Mapping[str, float], core: float) -> float:
    """Rate etad (1/h) at which a synapse with this core (share of healthy) does not change in health."""
    healthy_gate = hill(1.0, p["QK"], p["nT"])
    return p["k2"] * healthy_gate * p["m0"] / ((1.0 - p["l0"] - p["m0"] - core) * (1.0 - healthy_gate))
