"""The main job: the same stuck patients under several treatments, summarised with paired differences."""

import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from unstuck.engine.step import RunError
from unstuck.errors import InputError
from unstuck.files.circuit import CircuitFile
from unstuck.files.treatment import Treatment
from unstuck.patient.checks import runnable_treatment
from unstuck.patient.life import checkpoint_key

from unstuck_analysis import defaults
from unstuck_analysis.outcomes import bootstrap_mean, kaplan_meier_median
from unstuck_analysis.study.file import OUTCOMES, Study
from unstuck_analysis.study.plan import PlannedRun
from unstuck_analysis.study.results import Results, draws_of
from unstuck_analysis.study.run import Workplace, run_one, unwatched
from unstuck_analysis.study.store import SERIES
from unstuck_analysis.study.vary import VariedTreatment, check_neurons

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from unstuck_analysis.study.run import OnProgress

SUMMARY_DAYS = (1, 2, 7, 14, 28, 42, 84)


@dataclass(frozen=True)
class Comparison:
    """Results of a comparison: outcomes (a row per patient and treatment), readings over time, treatments.

    draws: one row per patient, every draw of the cohort by column. sources: the files that were read.
    """

    seed: int
    patients: int
    neurons: int
    treatments: Sequence[Treatment]
    outcomes: pd.DataFrame
    series: pd.DataFrame
    draws: pd.DataFrame
    sources: Sequence[str] = ()

    @property
    def circuit(self) -> CircuitFile:
        """The circuit of the first treatment."""
        return self.treatments[0].circuit

    def arm(self, treatment: str) -> pd.DataFrame:
        """Outcomes of the stuck patients under one treatment."""
        return self.outcomes.loc[(self.outcomes.treatment == treatment) & ~self.outcomes.not_stuck]

    def readings(self, treatment: str) -> pd.DataFrame:
        """Readings of the stuck patients under one treatment."""
        return self._readings[treatment]

    @cached_property
    def _readings(self) -> dict[str, pd.DataFrame]:
        stuck = self.series.merge(self.outcomes.loc[~self.outcomes.not_stuck, ["patient", "treatment"]])
        stuck.attrs = {}  # pandas copies them at every call
        return {t.name: stuck.loc[stuck.treatment == t.name] for t in self.treatments}

    @cached_property
    def summaries(self) -> dict[str, dict[str, Any]]:
        """The summary of each treatment, by its name."""
        return {treatment.name: arm_summary(self, treatment) for treatment in self.treatments}

    @property
    def not_stuck(self) -> int:
        """Number of patients who did not become stuck before the first treatment; shares leave them out."""
        return len(self.never_stuck(self.treatments[0].name))

    def never_stuck(self, treatment: str) -> list[int]:
        """Numbers of the patients who did not become stuck on the way to day 0 of one treatment."""
        rows = self.outcomes.loc[(self.outcomes.treatment == treatment) & self.outcomes.not_stuck]
        return sorted(rows.patient.tolist())

    @property
    def starts_elsewhere(self) -> list[str]:
        """Treatments whose way to day 0, or whose circuit, is another than that of the first."""
        keys = {treatment.name: checkpoint_key(treatment) for treatment in self.treatments}
        return [name for name, key in keys.items() if key != keys[self.treatments[0].name]]

    @property
    def overactive_region(self) -> str:
        """The region whose firing is reported next to recovery (all of them where circuits differ)."""
        return " or ".join(dict.fromkeys(t.circuit.overactive_region for t in self.treatments))

    @property
    def endpoint(self) -> str:
        """The day on which response is read: 'day 84', or 'the endpoint day' where treatments differ."""
        days = {treatment.file.endpoint_day for treatment in self.treatments}
        return f"day {days.pop():g}" if len(days) == 1 else "the endpoint day"

    def table(self) -> pd.DataFrame:
        """The summary as a table, one row per treatment."""
        return summary_table(self)

    def figure(self) -> "Figure":
        """Recovery over time by treatment, and every patient as a stripe."""
        from unstuck_analysis.figures import recovery_figure

        return recovery_figure(self)

    def _repr_html_(self) -> str:
        from unstuck_analysis.output.style import html_of

        return html_of(self.table(), self.figure())


def compare(
    treatments: Sequence[str] = defaults.TREATMENTS,
    *,
    patients: int = defaults.PATIENTS,
    seed: int = defaults.SEED,
    neurons: int = defaults.NEURONS,
    circuit: str = "",
    workers: int = 1,
    out: str | Path | None = None,
    on_progress: "OnProgress" = unwatched,
) -> Comparison:
    """Run the same patients under every treatment.

    Args:
        treatments: Shipped names or paths of treatment files.
        patients: Number of patients.
        seed: Seed of all random streams.
        neurons: Neurons per patient; 0 is the mean-field.
        circuit: Another circuit than that of the treatment files: a shipped name or a path.
        workers: Processes; the numbers do not depend on it.
        out: Folder for finished patients, if given; the same call continues from there.
        on_progress: Called with the progress after each group of runs.

    Returns:
        Outcomes, readings and draws of all patients.

    Raises:
        InputError: For a bad file, two files of one name, or fewer than one patient.
        RunError: If a run fails.
    """
    study = comparison_study(treatments, patients=patients, seed=seed, neurons=neurons, circuit=circuit)
    with tempfile.TemporaryDirectory() if out is None else nullcontext(out) as folder:
        results = study.run(
            folder, workers=min(workers, patients), retry_failed=True, on_progress=on_progress
        )
        return comparison_of(results)


def comparison_study(
    treatments: Sequence[str], *, patients: int, seed: int, neurons: int, circuit: str = ""
) -> Study:
    """A comparison as a study of one point that keeps every reading."""
    if patients < 1:
        raise InputError(f"{patients} patients: at least 1")
    check_neurons(neurons)
    settings = {"patients": patients, "seed": seed, "neurons": neurons, "circuit": circuit}
    return Study.of_treatments(_paths(treatments, circuit), name="compare", **settings)


def _paths(names: Sequence[str], circuit: str) -> list[str]:
    """Each treatment once; InputError for different files of one name, because results go by names."""
    by_name: dict[str, Path] = {}
    for treatment in (runnable_treatment(name, circuit) for name in names):
        other = by_name.setdefault(treatment.name, treatment.path)
        if other.resolve() != treatment.path.resolve():
            raise InputError(f"two treatments are called {treatment.name}: {other} and {treatment.path}")
    return [str(path) for path in by_name.values()]


def comparison_of(results: Results) -> Comparison:
    """The comparison that a study of one point stored; RunError if one of its runs failed."""
    failures, study = results.failures(), results.inputs.study
    if len(failures):
        first = failures.iloc[0]
        error = str(first.error).removeprefix("RunError: ")
        raise RunError(f"{first.treatment}, patient {first.patient} of seed {first.seed}: {error}")
    outcomes = results.outcomes().sort_values("patient", kind="stable")
    series = results.series().sort_values("patient", kind="stable")
    series.insert(0, "seed", study.seed)
    arms = results.inputs.basis.arms.items()
    return Comparison(
        study.seed,
        study.patients,
        study.neurons,
        [VariedTreatment(name, files) for name, files in arms],
        _typed(outcomes),
        series.loc[:, ["seed", "patient", "treatment", *series.columns[5:]]].reset_index(drop=True),
        results.patients().drop(columns="point"),
        results.store.about["sources"],
    )


def _typed(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Outcomes in the order of the definitions; answers that may be missing are of pandas' nullable type."""
    nullable: dict[object, str] = {bool | None: "boolean", int | None: "Int64"}
    types = {name: nullable.get(kind, kind) for name, kind in OUTCOMES.items()}
    named = outcomes.loc[:, ["seed", "patient", "treatment", *OUTCOMES]]
    return named.astype(types).reset_index(drop=True)


def run(
    treatment: str,
    *,
    patient: int = 0,
    seed: int = defaults.SEED,
    neurons: int = defaults.NEURONS,
    circuit: str = "",
) -> Comparison:
    """Run one patient under one treatment: the same patient as in a comparison with the same seed.

    Args:
        treatment: A shipped name or the path of a treatment file.
        patient: Number of the patient, from 0.
        seed: Seed of all random streams.
        neurons: Neurons per patient; 0 is the mean-field.
        circuit: Another circuit than that of the treatment file: a shipped name or a path.

    Returns:
        A comparison with one patient and one treatment.

    Raises:
        InputError: For a bad file.
        RunError: If the run fails.
    """
    study = comparison_study([treatment], patients=1, seed=seed, neurons=neurons, circuit=circuit)
    name = study.treatments[0].name
    try:
        row = run_one(Workplace(study.inputs), PlannedRun("", name, patient, ()))
    except RunError as fault:
        raise RunError(f"{name}, patient {patient} of seed {seed}: {fault}") from None
    who = {"seed": seed, "patient": patient, "treatment": name}
    outcomes = pd.DataFrame([who | {key: row[key] for key in OUTCOMES}])
    columns = [key for key in row if key.startswith(SERIES)]
    series = pd.DataFrame({**who, **{key.removeprefix(SERIES): row[key] for key in columns}})
    drawn = draws_of(study.variation.inputs_of(name, ()).parameters, study.inputs.basis.cohort, seed, patient)
    draws = pd.DataFrame([{"seed": seed, "patient": patient, **drawn}])
    return Comparison(seed, 1, neurons, study.treatments, _typed(outcomes), series, draws, study.sources)


def summary(comparison: Comparison) -> dict[str, Any]:
    """The comparison as one JSON object (docs/how-to/read-results.md lists its keys)."""
    return {
        "seed": comparison.seed,
        "patients": comparison.patients,
        "not_stuck": comparison.not_stuck,
        "arms": list(comparison.summaries.values()),
    }


def arm_summary(comparison: Comparison, treatment: Treatment) -> dict[str, Any]:
    """One treatment of the summary: shares of the stuck patients, and means over them by day."""
    outcomes, readings = comparison.arm(treatment.name), comparison.readings(treatment.name)
    with_onset = outcomes[np.isfinite(outcomes.onset_day)]
    onset_or_end = outcomes.onset_day.fillna(outcomes.followed_days).to_numpy()
    onset = np.isfinite(outcomes.onset_day).to_numpy()
    return {
        "treatment": treatment.name,
        "patients": len(outcomes),
        "onset_day_median": kaplan_meier_median(onset_or_end, onset),
        "recovered_share": _mean(outcomes.recovered),
        "remitted_share": _mean(outcomes.remitted),
        "relapsed_share": _mean(with_onset.relapsed),
        "still_recovered_share": _mean(outcomes.still_recovered),
        "overactive_activity": _mean(outcomes.overactive_activity_endpoint),
        **means_by_day(readings, treatment.circuit),
        "difference": paired_difference(comparison, treatment.name, treatment.file.endpoint_day),
    }


def means_by_day(readings: pd.DataFrame, circuit: CircuitFile) -> dict[str, Any]:
    """Mean recovery, serotonin ratio and BDNF of each region's main cells on the days of the summary."""
    by_day: pd.DataFrame = readings.groupby("day").mean(numeric_only=True)  # pyright: ignore[reportAssignmentType]
    bdnf = {region: f"bdnf_{main_population(circuit, region)}" for region in circuit.regions}
    return {
        "recovery": _days(by_day, "recovery"),
        "serotonin_ratio": {region: _days(by_day, f"serotonin_{region}") for region in circuit.regions},
        "bdnf": {region: _days(by_day, column) for region, column in bdnf.items()},
    }


def main_population(circuit: CircuitFile, region: str) -> str:
    """A region's principal population, or its serotonergic one, or else its first."""
    names = [name for name, population in circuit.populations.items() if population.region == region]
    for cells in ("pyramidal", "projection_gaba", "serotonergic"):
        for name in names:
            if circuit.populations[name].cells == cells:
                return name
    return names[0]


def paired_difference(comparison: Comparison, treatment: str, day: float = 84.0) -> dict[str, Any]:
    """Mean difference in R from the first treatment on a day, with a 95 % bootstrap interval.

    Paired: of the patients who were stuck under both treatments.
    """
    on_day = comparison.series[comparison.series.day == day]
    recovery = on_day.pivot(index="patient", columns="treatment", values="recovery")
    names = [arm.name for arm in comparison.treatments]
    patients = comparison.arm(treatment).patient
    in_both = patients[patients.isin(comparison.arm(names[0]).patient)]
    stuck = recovery.reindex(index=in_both, columns=names)
    differences = (stuck[treatment] - stuck[names[0]]).to_numpy()
    rng = np.random.default_rng(np.random.SeedSequence([comparison.seed, int(day)]))
    mean, low, high = bootstrap_mean(differences, rng)
    return {"day": day, "mean": _number(mean), "low": _number(low), "high": _number(high)}


def patient_summary(comparison: Comparison, treatment: Treatment, patient: int) -> dict[str, Any]:
    """One patient's row of a comparison, as `unstuck run --json` prints it (less the series' path)."""
    outcomes = comparison.outcomes
    row = outcomes[(outcomes.treatment == treatment.name) & (outcomes.patient == patient)].iloc[0]
    series = comparison.series
    readings = series.loc[(series.treatment == treatment.name) & (series.patient == patient)]
    return {
        "seed": comparison.seed,
        "patient": patient,
        "treatment": treatment.name,
        "onset_day": _number(row.onset_day),
        "recovered_days": _number(row.recovered_days),
        "remitted": _answer(row.remitted),
        "relapsed": _answer(row.relapsed),
        "still_recovered": _answer(row.still_recovered),
        **means_by_day(readings, treatment.circuit),
    }


def summary_table(comparison: Comparison) -> pd.DataFrame:
    """The summary as a flat table, one row per treatment (`summary.csv`)."""
    rows: list[dict[str, Any]] = []
    for arm in summary(comparison)["arms"]:
        row = {key: value for key, value in arm.items() if not isinstance(value, dict)}
        row["not_stuck"] = len(comparison.never_stuck(arm["treatment"]))
        row |= {f"recovery_day_{day}": value for day, value in arm["recovery"].items()}
        row |= {f"difference_{key}": arm["difference"][key] for key in ("day", "mean", "low", "high")}
        rows.append(row)
    return pd.DataFrame(rows)


def _days(by_day: pd.DataFrame, column: str) -> dict[str, float | None]:
    by_name = dict(zip(by_day.index, by_day[column], strict=True))
    return {str(day): _number(by_name.get(float(day), float("nan"))) for day in SUMMARY_DAYS}


def _mean(values: pd.Series) -> float | None:
    known = values.dropna()
    return _number(float(known.mean())) if len(known) else None


def _answer(value: Any) -> bool | None:
    return None if pd.isna(value) else bool(value)


def _number(value: float) -> float | None:
    """A float, or None for what JSON cannot say."""
    return float(value) if isfinite(value) else None
