# Not strict: the parameter file is JSON of any shape.
# pyright: standard
"""Every constant of the model: value, unit, range, and whether it was fitted or taken from the literature.

Parameters live in data files beside this module. `reference.json` is the frozen oracle set, `defaults.json`
the set that is shipped. A mechanism that came after the reference has an off value in `OFF`, so that the
reference can always be run. Symbols are those of the model description.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from unstuck.files.yaml import InputError, choose
from unstuck.version import PACKAGE

# Values at which mechanisms added after the reference set do nothing.
OFF: dict[str, float] = {
    "tau_v": 168.0,
    "sigma_n": 0.0,
    "tau_n": 168.0,
    "life_event_stress": 0.0,
    "life_event_days": 7.0,
    "kap": 0.0,
}


SEROTONIN: dict[str, dict[str, Any]] = {
    "S0": {
        "meaning": "healthy extracellular serotonin (only ratios to it are meaningful)",
        "range": [50, 70],
        "source": "Abdalla 2017, 10.1021/acs.analchem.7b01257 (64.9 nM), and model code (Mena 2023); methods"
        " differ 10 to 100 fold",
    },
    "Km": {
        "meaning": "Michaelis constant of SERT",
        "range": [60, 170],
        "source": "model code VSERT (Mena 2023): 60 nM; older work 170 nM (Best 2010, PMC2942809)",
    },
}


class RuleParameters(NamedTuple):
    """The numbers that the rules read, by symbol (hours, nM, drive); etap and etad follow from the others."""

    S0: float
    Km: float
    g1B: float
    K1B: float
    b1B: float
    b5: float
    KS: float
    stB: float
    stW: float
    rB: float
    mB: float
    l0: float
    taul: float
    kc: float
    QK: float
    Th: float
    nT: float
    core: float
    tauT: float
    tauB: float
    g1A: float
    K1A: float
    Dmin: float
    KD: float
    tauD: float
    TS: float
    rho2: float
    etah: float
    wmaxf: float
    tau_v: float
    etap: float
    etad: float


@dataclass(frozen=True)
class Parameter:
    """One constant with what a referee asks of it."""

    symbol: str
    meaning: str
    value: float
    unit: str
    origin: str  # literature, fitted, fixed, assumed
    source: str = ""
    range: tuple[float, float] | None = None
    range_origin: str = "assumed"


class ParameterSet(Mapping[str, float]):
    """Named constants of one model; reads as a mapping from symbol to value."""

    def __init__(self, records: Mapping[str, Parameter]) -> None:
        self.records = dict(records)

    def __getitem__(self, symbol: str) -> float:
        if symbol in self.records:
            return self.records[symbol].value
        return OFF[symbol]

    def __iter__(self) -> Iterator[str]:
        return iter({**OFF, **self.records})

    def __len__(self) -> int:
        return len({**OFF, **self.records})

    def number(self, number_or_symbol: float | str) -> float:
        """A number as it stands, or the value of the parameter named by a symbol (ValueError if unknown)."""
        if isinstance(number_or_symbol, str):
            return self[choose(number_or_symbol, list(self), "parameter")]
        return float(number_or_symbol)

    def with_values(self, **values: float) -> "ParameterSet":
        """The same set with some values replaced (ValueError for an unknown symbol or a value not finite)."""
        records = dict(self.records)
        for symbol, value in values.items():
            choose(symbol, list(self), "parameter")
            if not abs(value) < float("inf"):
                raise InputError(f"parameter {symbol} = {value} is not a finite number")
            old = records.get(symbol, Parameter(symbol, "", OFF.get(symbol, 0.0), "1", "off"))
            records[symbol] = replace(old, value=float(value))
        return ParameterSet(records)

    def for_rules(self) -> RuleParameters:
        """The numbers the rules read, with the healthy rates etap and etad worked out."""
        # Here, because the rules import numba, and reading a file reads parameters.
        from unstuck.rules.plasticity import healthy_rates

        p = self
        etap, etad = healthy_rates(
            p["l0"], p["taul"], p["kc"], p["QK"], p["Th"], p["nT"], p["core"], p["wmaxf"], p["rho2"]
        )
        given = {symbol: self[symbol] for symbol in RuleParameters._fields if symbol not in ("etap", "etad")}
        return RuleParameters(**given, etap=etap, etad=etad)


def _records(content: Mapping[str, Any]) -> dict[str, Parameter]:
    """The records of a parameter file: constants, parameters and drug strengths."""
    serotonin = [
        {"symbol": symbol, "value": content[symbol], "unit": "nM", "origin": "literature"} | told
        for symbol, told in SEROTONIN.items()
    ]
    listed = [*serotonin, *content["parameters"], *content["drug_strengths"]]
    return {
        entry["symbol"]: Parameter(
            entry["symbol"],
            entry["meaning"],
            float(entry["value"]),
            entry["unit"],
            entry["origin"],
            entry.get("source", ""),
            tuple(entry["range"]) if entry.get("range") else None,
            entry.get("range_origin", "assumed"),
        )
        for entry in listed
    }


def read_parameters(path: Path) -> ParameterSet:
    """Read a parameter file (JSON); InputError says what is wrong and where."""
    try:
        return ParameterSet(_records(json.loads(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        raise InputError(f"{path}: not a parameter file: {fault}") from fault


def reference_parameters() -> ParameterSet:
    """The frozen set that the independent reference trajectories were computed with."""
    return _shipped(path := PACKAGE / "reference.json", path.read_bytes())


def default_parameters() -> ParameterSet:
    """The set that is shipped and used unless another is asked for."""
    return _shipped(path := PACKAGE / "defaults.json", path.read_bytes())


@lru_cache(maxsize=4)
def _shipped(path: Path, content: bytes) -> ParameterSet:
    """A parameter file, read again when its content has changed."""
    return read_parameters(path)
