"""Outcomes of one patient under one treatment.

R = (C - C_stuck) / (1 - C_stuck);  onset: first R >= 0.5;  relapse: after an onset, the first daily reading
with R < 0.5 that is followed by another

Where illness is read from activity, which every life event moves at once, outcomes are read from ratings: the
mean R of the 7 days that end on a day. A relapse is then 28 days in a row with a rating below 0.3.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil, floor, isnan, nan
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from unstuck.circuit import Circuit
from unstuck.engine.readouts import Reading, recovery_index
from unstuck.files.circuit import CircuitFile
from unstuck.patient.life import RATED_DAYS, ConditionResult, PatientRun
from unstuck.state import Floats

from unstuck_analysis.output.columns import column_name

RECOVERED, REMITTED = 0.5, 0.8
BELOW, RELAPSE_DAYS = 0.2, 28  # of a relapse by ratings: below RECOVERED by so much, days in a row
BAND_DRAWS = 500  # bootstrap samples of a band over time
STILL_RECOVERED_DAYS = 84.0  # after the drug is gone: when recovery is read again


@dataclass(frozen=True)
class Outcome:
    """One row of `outcomes.parquet`. Days count from day 0; NaN or None where there is nothing to tell."""

    seed: int
    patient: int
    treatment: str
    not_stuck: bool
    connectivity_stuck: float
    onset_day: float
    recovered_days: float  # in all
    recovery_endpoint: float
    structural_recovery_endpoint: float
    recovered: bool | None  # None: not followed to the endpoint
    remitted: bool | None
    relapse_day: float
    relapsed: bool | None
    durability_days: float  # relapse day - last dose
    durability_censored: bool | None
    last_dose_day: float
    drug_gone_day: float
    still_recovered: bool | None  # 84 d after that; None: not followed until then
    functional_recovery_endpoint: float
    overactive_activity_endpoint: float
    followed_days: float
    conditions_met: int | None  # of `when` and `stop_when`; None: the treatment has no condition
    condition_day: float  # on which the first condition that applied was asked
    steps: int
    rejected_steps: int
    sweeps: int
    fallbacks: int


class RecoveryCourse:
    """Recovery index over time, linear between the days that are given."""

    def __init__(self, days: Sequence[float], recovery: Sequence[float], rated_days: int = 0) -> None:
        """rated_days: of which a rating is the mean; 0: a rating is R on the day."""
        self.days, self.recovery = np.asarray(days, dtype=float), np.asarray(recovery, dtype=float)
        self.rated_days = rated_days

    def at(self, day: float) -> float:
        """R on a day (NaN outside what was followed)."""
        day = min(day, float(self.days[-1])) if day < self.days[-1] + 1e-6 else day  # rounding of hours
        return float(np.interp(day, self.days, self.recovery, left=nan, right=nan))

    def rated(self, day: float) -> float:
        """The rating on a day (NaN where it was not followed to that day)."""
        days = [day - back for back in range(self.rated_days) if day - back >= self.days[0]]
        return float(np.mean([self.at(each) for each in days])) if days else self.at(day)

    def stretches(self) -> list[tuple[float, float]]:
        """Stretches (from, to) in days with R >= 0.5, in order."""
        days, above = self.days, self.recovery - RECOVERED
        before = np.flatnonzero(np.diff(above >= 0))
        rise, gap = np.diff(above)[before], np.diff(days)[before]
        crossings = days[before] + gap * above[before] / -rise
        edges = [*days[:1][above[:1] >= 0], *crossings, *days[-1:][above[-1:] >= 0]]
        return [(float(start), float(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]

    @property
    def first_day(self) -> float:
        """First day with R >= 0.5; NaN if there is none."""
        stretches = self.stretches()
        return stretches[0][0] if stretches else nan

    def relapse_day(self) -> float:
        """First whole day after the onset with R < 0.5 that is followed by another; NaN if there is none."""
        stretches = self.stretches()
        if not stretches:
            return nan
        days = np.arange(ceil(stretches[0][0]), floor(self.days[-1] + 1e-6) + 1)
        below, in_a_row = (RECOVERED - BELOW, RELAPSE_DAYS) if self.rated_days else (RECOVERED, 2)
        if self.rated_days:
            rated = np.array([self.rated(day) for day in days])
        else:
            rated = np.interp(np.minimum(days, self.days[-1]), self.days, self.recovery)
        low = (rated < below).astype(int)
        if len(low) < in_a_row:
            return nan
        relapses = days[: len(days) - in_a_row + 1][
            np.convolve(low, np.ones(in_a_row, int), "valid") == in_a_row
        ]
        return float(relapses[0]) if len(relapses) else nan


def recovery_course(run: PatientRun, rated_days: int = 0) -> RecoveryCourse:
    """The recovery index of a run at the end of every step and at every reading."""
    found = {round(day, 9): connectivity for day, connectivity, _ in run.steps}
    found |= {round(reading.day, 9): reading.connectivity for reading in run.readings}
    days = sorted(found)
    return RecoveryCourse(days, [run.recovery(found[day]) for day in days], rated_days)


def functional_recovery(run: PatientRun, reading: Reading) -> float:
    """Recovery index of functional connectivity at a reading (NaN where it was not probed)."""
    return recovery_index(reading.function, run.checkpoint.stuck.function, run.checkpoint.healthy.function)


def structural_recovery(run: PatientRun, reading: Reading) -> float:
    """Recovery index of structural connectivity at a reading."""
    return recovery_index(reading.structure, run.checkpoint.stuck.structure, run.checkpoint.healthy.structure)


def reading_on(run: PatientRun, day: float) -> Reading:
    """The reading nearest to a day."""
    return min(run.readings, key=lambda reading: abs(reading.day - day))


def outcome_of(run: PatientRun, circuit: Circuit, endpoint_day: float, *, seed: int, patient: int) -> Outcome:
    """Score one run."""
    by_activity = circuit.file.readout.kind == "activity" and bool(run.draws)
    course = recovery_course(run, RATED_DAYS if by_activity else 0)
    stretches, relapse_day = course.stretches(), course.relapse_day()
    end, stuck = course.rated(endpoint_day), run.checkpoint.stuck.connectivity
    reading = reading_on(run, endpoint_day)
    relapsed = bool(np.isfinite(relapse_day))
    onset_day = stretches[0][0] if stretches else nan
    until = relapse_day if relapsed else run.end_day
    overactive = circuit.populations.index(circuit.file.roles.overactive)
    met = [condition for condition in run.conditions if condition.applied]
    outcome = Outcome(
        seed=seed,
        patient=patient,
        treatment=run.treatment,
        not_stuck=not circuit.file.readout.is_ill(stuck),
        connectivity_stuck=stuck,
        onset_day=onset_day,
        recovered_days=sum(end - start for start, end in stretches),
        recovery_endpoint=end,
        structural_recovery_endpoint=structural_recovery(run, reading),
        recovered=_reached(end, RECOVERED),
        remitted=_reached(end, REMITTED),
        relapse_day=relapse_day,
        relapsed=relapsed,
        durability_days=until - run.last_dose_day if stretches else nan,
        durability_censored=bool(stretches) and not relapsed,
        last_dose_day=run.last_dose_day,
        drug_gone_day=run.gone_day,
        still_recovered=_reached(course.rated(run.gone_day + STILL_RECOVERED_DAYS), RECOVERED),
        functional_recovery_endpoint=functional_recovery(run, reading),
        overactive_activity_endpoint=float(reading.activity[overactive]),
        followed_days=run.end_day,
        conditions_met=len(met) if run.conditions else None,
        condition_day=_first_day(met),
        steps=run.diagnostics.steps,
        rejected_steps=run.diagnostics.rejected,
        sweeps=run.diagnostics.sweeps,
        fallbacks=run.diagnostics.fallbacks,
    )
    return replace(outcome, **_OF_STUCK) if outcome.not_stuck else outcome


_OF_STUCK: dict[str, Any] = {  # what is not defined for a patient who did not become stuck
    **dict.fromkeys(("onset_day", "recovered_days", "relapse_day", "durability_days"), nan),
    **{f"{kind}recovery_endpoint": nan for kind in ("", "structural_", "functional_")},
    **dict.fromkeys(("recovered", "remitted", "relapsed", "still_recovered", "durability_censored")),
}


def _first_day(met: Sequence[ConditionResult]) -> float:
    return min((condition.day for condition in met), default=nan)


BY_POPULATION = ("activity", "bdnf", "trkb", "scar")


def series_of(run: PatientRun, circuit: Circuit) -> dict[str, Floats]:
    """All readings of a run by column, each (readings,): the day, and the columns of `series_columns`."""
    readings, stuck, healthy = run.readings, run.checkpoint.stuck, run.checkpoint.healthy

    def column(name: str) -> Floats:
        return np.array([getattr(reading, name) for reading in readings], dtype=float)

    connectivity = column("connectivity")
    series = {
        "day": column("day"),
        "recovery": _indices(connectivity, stuck.connectivity, healthy.connectivity),
        "connectivity": connectivity,
        "structural_recovery": _indices(column("structure"), stuck.structure, healthy.structure),
        "functional_recovery": _indices(column("function"), stuck.function, healthy.function),
        "labile_share": column("labile_share"),
        "autoreceptor_sensitivity": column("autoreceptor_sensitivity"),
    }
    serotonin, strength = column("serotonin_ratio"), column("strength")
    series |= {f"serotonin_{name}": serotonin[:, k] for k, name in enumerate(circuit.regions)}
    noradrenaline = column("noradrenaline_ratio")
    series |= {f"noradrenaline_{r}": noradrenaline[:, k] for k, r in enumerate(circuit.noradrenaline_pools)}
    by_population = {name: column(name) for name in BY_POPULATION}
    for k, name in enumerate(circuit.populations):
        series |= {f"{what}_{name}": values[:, k] for what, values in by_population.items()}
    plastic = [projection.plastic for projection in circuit.file.projections.values()]
    names = zip(circuit.file.projections, plastic, strict=True)
    series |= {f"strength_{name}": strength[:, k] for k, (name, kept) in enumerate(names) if kept}
    return {column_name(name): values for name, values in series.items()}


def _indices(values: Floats, stuck: float, healthy: float) -> Floats:
    return np.array([recovery_index(value, stuck, healthy) for value in values])


def series_columns(file: CircuitFile) -> list[str]:
    """Names of the columns that `series_of` gives for a circuit, the day aside."""
    columns = ["recovery", "connectivity", "structural_recovery", "functional_recovery", "labile_share"]
    columns += ["autoreceptor_sensitivity", *(f"serotonin_{name}" for name in file.regions)]
    columns += [f"noradrenaline_{name}" for name in file.noradrenaline_feeders]
    columns += [f"{what}_{name}" for name in file.populations for what in BY_POPULATION]
    columns += [f"strength_{name}" for name, projection in file.projections.items() if projection.plastic]
    return [column_name(name) for name in columns]


def _reached(recovery: float, least: float) -> bool | None:
    """Whether R reached a number; None where it is not known."""
    return None if isnan(recovery) else recovery >= least


def kaplan_meier_median(days: Floats, happened: npt.NDArray[np.bool_]) -> float | None:
    """Median time to an event with right-censoring (product limit); None where half is never reached."""
    events, counts = np.unique(days[happened], return_counts=True)
    at_risk = (days >= events[:, None]).sum(axis=1)
    reached = events[np.cumprod(1.0 - counts / at_risk) <= 0.5 + 1e-12]
    return float(reached[0]) if len(reached) else None


def bootstrap(
    values: Floats,
    rng: np.random.Generator,
    statistic: Callable[[Floats], Any] | None = None,
    draws: int = 4_000,
) -> tuple[Any, Any, Any]:
    """A statistic of the rows of `values` with its 95 % bootstrap interval over them.

    Args:
        values: one row per patient.
        rng: random stream; it draws rows with replacement.
        statistic: from rows to a number or an array of numbers; NaN where it is not defined. None: the mean.
        draws: number of bootstrap samples.

    Returns:
        The statistic and the ends of its interval: NaN without rows and where no sample has a value. One row
        has no interval.
    """
    whole = (statistic or partial(np.mean, axis=0))(values) if len(values) else nan
    if len(values) < 2:
        return whole, whole * nan, whole * nan
    picks = rng.integers(len(values), size=(draws, len(values)))
    samples = np.array([statistic(values[pick]) for pick in picks]) if statistic else _means(values, picks)
    known = np.isfinite(samples).any(axis=0)
    ends = np.full((2, *known.shape), nan)
    if known.any():
        quantile = np.nanquantile if np.isnan(samples).any() else np.quantile  # ten times as fast
        ends[:, known] = quantile(samples[:, known], [0.025, 0.975], axis=0)
    return whole, ends[0], ends[1]


def _means(values: Floats, picks: npt.NDArray[np.int64]) -> Floats:
    """Mean of the picked rows of each sample; NaN where one of them is."""
    times = np.zeros(picks.shape)  # that each row is picked
    np.add.at(times, (np.arange(len(picks))[:, None], picks), 1.0)
    means = times @ np.nan_to_num(values) / len(values)
    means[times @ np.isnan(values) > 0.0] = nan
    return means


def bootstrap_mean(
    values: Floats, rng: np.random.Generator, draws: int = 4_000
) -> tuple[float, float, float]:
    """Mean with a 95 % bootstrap interval over patients (NaN for no values)."""
    mean, low, high = bootstrap(values, rng, draws=draws)
    return float(mean), float(low), float(high)


def mean_bands(
    readings: pd.DataFrame, columns: Sequence[str], seed: int
) -> tuple[Floats, Floats, Floats, Floats]:
    """Means of columns over patients with 95 % bootstrap bands, on the days that every patient reached.

    Returns days (days,), and mean, lower and upper end of the band, each (columns, days).
    """
    patients = readings.patient.nunique()
    reached = readings.groupby("day").patient.transform("size") == patients
    common = readings.loc[reached].sort_values(["patient", "day"])
    days = np.unique(common.day.to_numpy(dtype=float))
    rng = np.random.default_rng(np.random.SeedSequence([seed, 7]))
    values = common[list(columns)].to_numpy(dtype=float).reshape(patients, -1)
    ends = bootstrap(values, rng, draws=BAND_DRAWS)
    mean, low, high = (end.reshape(len(days), len(columns)).T for end in ends)
    return days, mean, low, high
