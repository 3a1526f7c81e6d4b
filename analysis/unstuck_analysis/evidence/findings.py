"""How every finding is measured: one function per finding, on what was recorded of a cohort.

Each function gets the recorded data and returns one number per part of the finding. A part without a range
in `RANGES` has the range of its row in the table of findings. Readings in the typical patient (median
parameters, no noise, no life events) use `data.typical`; cohort readings use the stuck patients unless they
say otherwise. Findings about other circuits than the default one are in `circuits`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from math import inf, nan
from operator import sub

import numpy as np
from unstuck.files.circuit import ReadoutFile
from unstuck.files.treatment import circuit_for

from unstuck_analysis.evidence.courses import (
    RECOVERED,
    REMITTED,
    RESPONDED,
    STUCK,
    Cohort,
    Floats,
    Mask,
    kaplan_meier_median,
)

TABLES = {"default": "facts.csv", "anxiety": "anxiety.csv", "ocd": "ocd.csv"}  # findings by circuit

RESPONSE_DAY = 84.0  # end of the course of an SSRI or of the tianeptine-like drug
IMPROVED, NOT_RESPONDED = 0.2, 0.25  # recovery index R
MINUTES = (10, 20, 30, 40, 50, 60)  # after a dose of ketamine
# Treatments of cohorts that begin on day 0, after stress of the patient's own length and rest.
FROM_CHECKPOINT = (
    *("ssri-84d", "tianeptine-84d", "untreated-42d", "untreated-events-365d", "ketamine-six-events-120d"),
    *("ketamine-once-7d", "ketamine-six", "psilocybin-once-42d", "psilocybin-once-events-84d"),
    "ssri-88-84d",
)


@dataclass(frozen=True)
class Recorded:
    """The typical patient of a circuit, all drawn patients, and those of them who became stuck."""

    typical: Cohort
    everyone: Cohort
    stuck: Cohort
    circuit: str = "default"

    @classmethod
    def of(cls, typical: Cohort, everyone: Cohort, circuit: str = "default") -> "Recorded":
        """The stuck patients are those who are ill on day 0, after a stress of their own length."""
        own = next((name for name in everyone.courses if name in FROM_CHECKPOINT), None)
        stuck = None if own is None else ill(everyone.at(own, 0, "connectivity"), circuit)
        return cls(typical, everyone, everyone if stuck is None else everyone.only(stuck), circuit)

    @property
    def healthy_ill(self) -> float:
        """Share of all drawn patients whom a year of life events makes ill (NaN if it was not simulated)."""
        if "healthy-year" not in self.everyone.courses:
            return nan
        return float(ill(self.everyone.at("healthy-year", 365, "connectivity"), self.circuit).mean())


@cache
def readout_of(circuit: str) -> ReadoutFile:
    """The readout of a circuit that illness is read from."""
    return circuit_for(circuit)[0].readout


def ill(values: Floats, circuit: str) -> Mask:
    """Whether each value of the primary readout of a circuit is that of an ill patient."""
    return readout_of(circuit).is_ill(values)


Measure = Callable[[Recorded], Mapping[str, float]]
MEASURES: dict[str, Measure] = {}
TREATMENTS: dict[str, tuple[str, ...]] = {}  # treatments that a finding needs
CIRCUIT: dict[str, str] = {}  # in which a finding is measured
OF_COHORT: set[str] = set()


def finding(
    id: str, *treatments: str, cohort: bool = False, circuit: str = ""
) -> Callable[[Measure], Measure]:
    """Register how a finding is measured and which treatments it needs (in the circuit of its table)."""

    def register(measure: Measure) -> Measure:
        MEASURES[id], TREATMENTS[id] = measure, treatments
        CIRCUIT[id] = circuit or table_of(id)
        if cohort:
            OF_COHORT.add(id)
        return measure

    return register


def table_of(id: str) -> str:
    """The circuit whose table has a finding."""
    return {"A": "anxiety", "O": "ocd"}.get(id[0], "default")


Read = tuple[str, float] | tuple[str, float, str]  # treatment, day, what is read (recovery if not given)


def reading(data: Recorded, treatment: str, day: float, what: str = "recovery") -> float:
    """A reading of the typical patient; the median where several networks were simulated."""
    return float(np.median(data.typical.at(treatment, day, what)))


def _read(data: Recorded, read: Read) -> float:
    return reading(data, read[0], read[1], read[2] if len(read) == 3 else "recovery")


def typical(id: str, treatment: str, day: float, what: str = "recovery") -> None:
    """Register a finding that is one reading of the typical patient."""
    combined(id, lambda value: value, (treatment, day, what))


def typical_parts(id: str, parts: Mapping[str, Read]) -> None:
    """Register a finding whose parts are readings of the typical patient."""

    @finding(id, *dict.fromkeys(read[0] for read in parts.values()))
    def measure(data: Recorded) -> dict[str, float]:
        return {name: _read(data, read) for name, read in parts.items()}


def combined(id: str, how: Callable[..., float], *reads: Read, circuit: str = "") -> None:
    """Register a finding that is a function of some readings of the typical patient."""

    @finding(id, *dict.fromkeys(read[0] for read in reads), circuit=circuit)
    def measure(data: Recorded) -> dict[str, float]:
        return {"": how(*(_read(data, read) for read in reads))}


typical("F01", "healthy", 60, "connectivity")
typical("F02", "small-knock", 60, "connectivity")
typical("F03", "stress-7d", 60, "connectivity")
typical("F04", "mild-stress-120d", 120, "connectivity")
typical("F05", "stress-21d", 60, "connectivity")
typical("F06", "stress-42d", 60, "connectivity")
typical("F07", "stress-42d", 60, "serotonin_forebrain")
typical("F08", "stress-42d", 60, "activity_AMY_P")
typical("F09", "ssri-84d", 2)
typical("F12", "ssri-rat-healthy", 2, "serotonin_mPFC")
typical("F13", "ssri-rat-healthy", 14, "serotonin_mPFC")
typical("F14", "ssri-rat-healthy", 2, "activity_DRN_S")
typical("F15", "ssri-rat-healthy", 21, "activity_DRN_S")
typical("F17", "ssri-14d-off-90d", 104)
typical("F18", "ketamine-once", 1)
typical("F19", "ketamine-once", 4 / 24)
typical("F20", "ketamine-once", 7)
typical("F21", "ketamine-once", 21)
typical("F22", "ketamine-six", 12)
typical("F25", "tianeptine-84d", 1, "serotonin_forebrain")
typical("F26", "psilocybin-once", 8)
typical("F27", "psilocybin-once", 42)
typical("F35", "gaba-down-6h", 1)
typical("T15", "ssre-84d", 84)
typical_parts(  # a steady block of NMDA receptors of all cells, and of interneurons alone
    "F34", {"all cells": ("nmda-block-84d", 84), "interneurons": ("nmda-block-interneurons-84d", 84)}
)
typical_parts(  # with 80 % of TrkB signalling blocked
    "T10",
    {"SSRI at day 84": ("ssri-84d-trkb-blocked", 84), "ketamine at 24 h": ("ketamine-once-trkb-blocked", 1)},
)
combined(  # functional minus structural recovery 4 h after one dose of ketamine
    "T11",
    sub,
    ("ketamine-once", 4 / 24, "functional_recovery"),
    ("ketamine-once", 4 / 24, "structural_recovery"),
)


def _responders(id: str, treatment: str, read: Callable[[Cohort], Floats], *more: str) -> None:
    """Register the median of a reading among the patients who have recovered on day 84 of a course."""

    @finding(id, treatment, *more, cohort=True)
    def measure(data: Recorded) -> dict[str, float]:
        recovered = data.stuck.only(data.stuck.recovered(treatment, RESPONSE_DAY))
        return {"": float(np.median(read(recovered))) if recovered.size else float("nan")}


def share(id: str, treatment: str, *days: float, at_least: float = RECOVERED) -> None:
    """Register the share of stuck patients with R of at least a number on each of these days."""

    @finding(id, treatment, cohort=True)
    def measure(data: Recorded) -> dict[str, float]:
        shares = [data.stuck.share(treatment, day, at_least) for day in days]
        return dict(zip([f"{day:g} d" for day in days] if len(days) > 1 else [""], shares, strict=True))


def relapses(id: str, course: str, after: str, below: float = RECOVERED, rows: int = 2, *more: str) -> None:
    """Register the share of responders who relapse after a course: those who stop, over those who continue.

    after: what follows the course, with "stop" in its name; below, rows: R of a relapse, and for how many
    days in a row; more: treatments that are simulated too.
    """
    arms = after, after.replace("stop", "continue")

    @finding(id, course, *arms, *more, cohort=True)
    def measure(data: Recorded) -> dict[str, float]:
        recovered = data.stuck.only(data.stuck.recovered(course, RESPONSE_DAY, RESPONDED[data.circuit]))
        stop, carry_on = (
            float((recovered.relapse_day(arm, below=below, rows=rows) < inf).mean()) for arm in arms
        )
        return {"": _ratio(stop, carry_on)}


def _median(id: str, treatment: str, what: str, *days: float) -> None:
    """Register the median of a series over stuck patients on each of these days."""

    @finding(id, treatment, cohort=True)
    def measure(data: Recorded) -> dict[str, float]:
        medians = [float(np.median(data.stuck.at(treatment, day, what))) for day in days]
        return dict(zip([f"day {day:g}" for day in days] if len(days) > 1 else [""], medians, strict=True))


_responders("F10", "ssri-84d", lambda patients: patients.onset_day("ssri-84d"))
_responders("F11", "ssri-84d", lambda patients: patients.at("ssri-84d", RESPONSE_DAY))
_responders(  # 120 d after the course
    "F16",
    "ssri-84d",
    lambda patients: patients.at("ssri-84d-off-120d", RESPONSE_DAY + 120),
    "ssri-84d-off-120d",
)
_responders("F23", "tianeptine-84d", lambda patients: patients.onset_day("tianeptine-84d"))
_responders("F24", "tianeptine-84d", lambda patients: patients.at("tianeptine-84d", RESPONSE_DAY))
_median("F28", "ssri-84d", "activity_DRN_S", 42, 84)
_median("F29", "ssri-84d", "serotonin_mPFC", 84)
_median("F30", "ssri-84d", "serotonin_DRN", 84)
_median("F33", "untreated-42d", "trkb_principal", 0)  # principal cells of mPFC, HPC and NAc
share("F31", "untreated-events-365d", 91, 182, 365)
share("F36", "psilocybin-once-42d", 8)
share("T02", "ssri-84d", RESPONSE_DAY)
share("T03", "ssri-84d", RESPONSE_DAY, at_least=REMITTED)
share("T05", "ketamine-once-7d", 1)
share("T06", "ketamine-once-7d", 7)
relapses("T12", "ssri-84d", "ssri-84d-stop-year")


@finding("F32", "healthy-year", cohort=True)
def ill_after_a_healthy_year(data: Recorded) -> dict[str, float]:
    """Share of all drawn patients whose healthy circuit is ill on day 365 of a year of life events."""
    return {"": data.healthy_ill}


@finding("T01", "ketamine-once-7d", "psilocybin-once-42d", "tianeptine-84d", "ssri-84d", cohort=True)
def order_of_onset(data: Recorded) -> dict[str, float]:
    """Kaplan-Meier medians over all stuck patients of the day of half recovery, and their order."""
    ketamine, psilocybin, tianeptine, ssri = (
        kaplan_meier_median(data.stuck.onset_day(name), data.stuck.last_day(name))
        for name in TREATMENTS["T01"]
    )
    return {
        "ketamine": ketamine,
        "ketamine / SSRI": _ratio(ketamine, ssri),
        "ketamine / psilocybin": _ratio(ketamine, psilocybin),
        "psilocybin / tianeptine": _ratio(psilocybin, tianeptine),
        "tianeptine / SSRI": _ratio(tianeptine, ssri),
    }


@finding("T04", "ssri-84d", "untreated-42d", cohort=True)
def early_advantage_of_an_ssri(data: Recorded) -> dict[str, float]:
    """Mean advantage in R over no treatment on day 7, divided by that on day 42."""
    early, late = (
        float((data.stuck.at("ssri-84d", day) - data.stuck.at("untreated-42d", day)).mean())
        for day in (7, 42)
    )
    return {"": _ratio(early, late)}


@finding("T07", "ketamine-six-events-120d", cohort=True)
def relapse_after_six_doses(data: Recorded) -> dict[str, float]:
    """Kaplan-Meier median days from day 11 to relapse among patients recovered on day 12."""
    recovered = data.stuck.only(data.stuck.recovered("ketamine-six-events-120d", 12))
    last_day = data.stuck.last_day("ketamine-six-events-120d")
    return {
        "": kaplan_meier_median(recovered.relapse_day("ketamine-six-events-120d", 12) - 11, last_day - 11)
    }


@finding("T08", "ssri-84d", "tianeptine-84d", cohort=True)
def difference_of_ssri_and_tianeptine(data: Recorded) -> dict[str, float]:
    """Absolute difference of the shares recovered on days 42 and 84."""
    return {
        f"day {day}": abs(data.stuck.share("ssri-84d", day) - data.stuck.share("tianeptine-84d", day))
        for day in (42, 84)
    }


@finding("T09", "ssri-84d")
def order_of_serotonin(data: Recorded) -> dict[str, float]:
    """Serotonin of DRN over HPC, and of HPC over mPFC, on day 2 of an SSRI."""
    raphe, hippocampus, cortex = (
        reading(data, "ssri-84d", 2, f"serotonin_{region}") for region in ("DRN", "HPC", "mPFC")
    )
    return {"DRN / HPC": raphe / hippocampus, "HPC / mPFC": hippocampus / cortex}


@finding("T13", "ketamine-once", "stress-42d")
def disinhibition(data: Recorded) -> dict[str, float]:
    """Least interneuron and largest principal activity of mPFC in minutes 10 to 60, over that when stuck."""

    def ratios(series: str) -> list[float]:
        stuck = reading(data, "stress-42d", 60, series)
        return [reading(data, "ketamine-once", minute / 1440, series) / stuck for minute in MINUTES]

    return {
        "least interneuron activity": min(ratios("activity_mPFC_I")),
        "largest principal activity": max(ratios("activity_mPFC_P")),
    }


@finding("T14", "ssri-84d", cohort=True)
def no_response_to_an_ssri(data: Recorded) -> dict[str, float]:
    """Share with R below 0.25 on day 84 of an SSRI."""
    return {"": float((data.stuck.at("ssri-84d", RESPONSE_DAY) < NOT_RESPONDED).mean())}


@finding("U01", "ssri-84d", cohort=True)
def prediction_by_no_early_improvement(data: Recorded) -> dict[str, float]:
    """Share not recovered on day 84 among patients without improvement at week 2 (R < 0.2)."""
    improved = data.stuck.at("ssri-84d", 14) >= IMPROVED
    return {"": float((~data.stuck.recovered("ssri-84d", RESPONSE_DAY))[~improved].mean())}


@finding("U02", "ssri-84d", cohort=True)
def early_improvement_of_responders(data: Recorded) -> dict[str, float]:
    """Share with improvement at week 2 (R >= 0.2) among patients recovered on day 84."""
    improved = data.stuck.at("ssri-84d", 14) >= IMPROVED
    return {"": float(improved[data.stuck.recovered("ssri-84d", RESPONSE_DAY)].mean())}


@finding("U03", "psilocybin-once-42d", cohort=True)
def delay_of_psilocybin(data: Recorded) -> dict[str, float]:
    """Mean R on days 2 and 8 after one dose."""
    return {f"day {day}": float(data.stuck.at("psilocybin-once-42d", day).mean()) for day in (2, 8)}


@finding("U04", "psilocybin-once-events-84d", cohort=True)
def relapse_after_psilocybin(data: Recorded) -> dict[str, float]:
    """Share of patients recovered on day 8 who relapse by week 12, with life events."""
    return {"": _share_relapsed(data.stuck, "psilocybin-once-events-84d", 8, 84)}


@finding("U05", "ketamine-six", "ketamine-once-7d", cohort=True)
def six_doses_against_one(data: Recorded) -> dict[str, float]:
    """Share recovered on day 12 after six doses, and its ratio to the share on day 1 after one."""
    six = data.stuck.share("ketamine-six", 12)
    return {"share after six": six, "ratio to one": _ratio(six, data.stuck.share("ketamine-once-7d", 1))}


@finding("U06", "gaba-up-14d")
def raised_gaba_gain(data: Recorded) -> dict[str, float]:
    """R on day 3 of a raised GABA-A gain, and its advantage over day 15."""
    early, late = (reading(data, "gaba-up-14d", day) for day in (3, 15))
    return {"R on day 3": early, "R on day 3 minus day 15": early - late}


@finding("U07", "ketamine-once-7d", cohort=True)
def ketamine_in_met_carriers(data: Recorded) -> dict[str, float]:
    """Mean R 24 h after one dose of carriers of BDNF Met, divided by that of the others."""
    carrier, recovery = (
        data.stuck.drawn("bdnf_genotype") == "Met carrier",
        data.stuck.at("ketamine-once-7d", 1),
    )
    return {"": _ratio(float(recovery[carrier].mean()), float(recovery[~carrier].mean()))}


@finding("U08", "ssri-84d-after-stress-of-168d", "ssri-84d-after-stress-of-42d", cohort=True)
def long_illness(data: Recorded) -> dict[str, float]:
    """Share recovered on day 84 of an SSRI after 168 d of stress minus that after 42 d.

    Each share is of the patients who became stuck under that length of stress.
    """
    long, short = (_share_of_own_stuck(data.everyone, name) for name in TREATMENTS["U08"])
    return {"": long - short}


# Ranges of parts of findings that have several, from the text of facts.csv; all others have the row's range.
RANGES: dict[tuple[str, str], tuple[float, float]] = {
    ("F31", "91 d"): (0.10, 0.35),
    ("F31", "182 d"): (0.20, 0.50),
    ("F31", "365 d"): (0.35, 0.70),
    ("T01", "ketamine"): (-inf, 1.0),
    ("T01", "ketamine / SSRI"): (-inf, 0.1),
    ("T01", "ketamine / psilocybin"): (-inf, 1.0),
    ("T01", "psilocybin / tianeptine"): (-inf, 1.0),
    ("T01", "tianeptine / SSRI"): (-inf, 1.0),
    ("T13", "least interneuron activity"): (-inf, 1.0),
    ("T13", "largest principal activity"): (1.0, inf),
    ("U03", "day 2"): (-inf, 0.25),
    ("U03", "day 8"): (0.4, inf),
    ("U05", "share after six"): (0.45, 0.75),
    ("U05", "ratio to one"): (1.5, 2.6),
    ("U06", "R on day 3"): (0.0, inf),
    ("U06", "R on day 3 minus day 15"): (0.0, inf),
}
# Parts whose range does not include its ends, because the finding says "above", "below" or "earlier than".
OPEN_ENDED = {
    ("T01", "ketamine / psilocybin"),
    ("T01", "tianeptine / SSRI"),
    ("T13", "least interneuron activity"),
    ("T13", "largest principal activity"),
    ("U03", "day 2"),
    ("U06", "R on day 3"),
}


_TIMES_HEALTH = ("F07", "F08", "F12", "F13", "F14", "F15", "F25", "F28", "F29", "F30", "F33")
_DAYS = ("F10", "F23", "T07")


def unit_of(id: str, part: str) -> str:
    """Unit of a part; empty for shares, ratios, connectivity and recovery."""
    if id in _DAYS or (id, part) == ("T01", "ketamine"):
        return "d"
    return "times health" if id in _TIMES_HEALTH else ""


def _share_relapsed(stuck: Cohort, treatment: str, recovered_day: float, until_day: float) -> float:
    recovered = stuck.only(stuck.recovered(treatment, recovered_day))
    return float((recovered.relapse_day(treatment, recovered_day) <= until_day).mean())


def _share_of_own_stuck(everyone: Cohort, treatment: str) -> float:
    stuck = everyone.only(everyone.at(treatment, 0, "connectivity") <= STUCK)
    return stuck.share(treatment, RESPONSE_DAY)


def _ratio(above: float, below: float) -> float:
    """A ratio; not a number for 0/0 and for a median that is reached by neither."""
    if below == 0.0 or (np.isinf(above) and np.isinf(below)):
        return float("nan")
    return above / below
