"""The results of a study as tables: outcomes, time series, failures, and files for other programs."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from unstuck.errors import InputError, choose
from unstuck.files.cohort import CohortFile
from unstuck.parameters import ParameterSet
from unstuck.patient.draw import draw_traits
from unstuck.state import Floats

from unstuck_analysis.output.columns import column_name, described
from unstuck_analysis.output.export import write_table
from unstuck_analysis.study.plan import RunPlan
from unstuck_analysis.study.store import SERIES, VERSIONS, Store
from unstuck_analysis.study.vary import Variation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Integers = npt.NDArray[np.int64]
_PANDAS = {pa.bool_(): pd.BooleanDtype(), pa.int64(): pd.Int64Dtype()}


class Results:
    """The content of a study's folder, at any moment of the study. InputError if there is no study."""

    def __init__(self, folder: str | Path) -> None:
        self.store = Store(Path(folder))
        self.inputs = self.store.inputs

    @cached_property
    def plan(self) -> RunPlan:
        """Every planned run."""
        return self.store.plan

    @property
    def units(self) -> dict[str, str]:
        """Unit by column of what varies, where there is one."""
        knobs = self.store.knobs
        units = {column_name(path): knobs[path].unit for path in self.plan.paths}
        return {name: unit for name, unit in units.items() if unit != "1"}

    def outcomes(self) -> pd.DataFrame:
        """One row per finished run (one patient, point and treatment), as planned; units in `.attrs`.

        Failed runs have status `failed`, their error, and no outcomes. What varies has a column that is named
        as its path, with `_` for all but letters and digits. There is a column `versions` if rows were made
        with several versions of the model or its libraries.
        """
        return _with_units(self.by_path().rename(columns=column_name), self.units)

    def by_path(self) -> pd.DataFrame:
        """The same rows, with the paths of what varies as names of columns."""
        columns = ["run_id", "status", *self.inputs.outcomes, "error", VERSIONS]
        rows = self.store.rows(columns).to_pandas(types_mapper=_PANDAS.get, use_threads=False)
        if rows[VERSIONS].nunique(dropna=False) <= 1:
            rows = rows.drop(columns=VERSIONS)
        planned = self.plan.table.drop(columns="group")
        table = planned.merge(rows, on="run_id", how="inner", validate="many_to_one")
        table["error"] = table["error"].fillna("")
        return table

    def patients(self) -> pd.DataFrame:
        """One row per point and patient: every draw of the cohort by column; without a cohort no draws."""
        variation, plan = Variation(self.inputs.basis), self.plan
        arm = next(iter(self.inputs.basis.arms))
        rows: list[dict[str, float | str]] = []
        for row in plan.table.drop_duplicates(["point", "patient"]).to_dict("records"):
            point = [(path, row[path]) for path in plan.paths]
            run_inputs = variation.inputs_of(arm, plan.settings(point))
            seed, patient = int(row["seed"]), int(row["patient"])
            drawn = draws_of(run_inputs.parameters, run_inputs.cohort, seed, patient)
            rows.append({"point": int(row["point"]), "seed": seed, "patient": patient, **drawn})
        return pd.DataFrame(rows)

    def series(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """One row per reading: run_id, treatment, point, patient, day and kept columns.

        Args:
            columns: Names of columns; all kept columns if not given.

        Raises:
            InputError: If the study does not keep a column, or no readings.
        """
        readings, lengths, ids = self._readings(self._kept_columns(columns))
        table = pd.DataFrame(readings)
        table.insert(0, "run_id", np.repeat(ids, lengths))
        planned = self.plan.table[["run_id", "point", "treatment", "patient"]]
        return _with_units(planned.merge(table, on="run_id", how="inner"), {})

    def courses(
        self, treatment: str, columns: Sequence[str] | None = None, *, point: int = 0
    ) -> tuple[Floats, dict[str, Floats]]:
        """Days (days,) and each column (patients, days) under one treatment, patients as planned.

        NaN where a run has no reading on a day, or is not finished. Much faster than `series` for many runs.
        """
        kept = self._kept_columns(columns)
        readings, lengths, ids = self._readings(kept)
        table = self.plan.table
        here = table.loc[(table.treatment == treatment) & (table.point == point), "run_id"]
        row_of = pd.Series(np.arange(len(here)), index=here).reindex(ids).to_numpy(dtype=float)
        rows = np.repeat(row_of, lengths)
        read = ~np.isnan(rows)
        days, place = np.unique(readings["day"][read], return_inverse=True)
        found: dict[str, Floats] = {}
        for name in kept:
            found[name] = np.full((len(here), len(days)), np.nan)
            found[name][rows[read].astype(int), place] = readings[name][read]
        return days, found

    def _kept_columns(self, columns: Sequence[str] | None) -> list[str]:
        kept = self.inputs.study.series.columns
        if not kept:
            raise InputError(f"{self.store.folder}: this study keeps no series (series: columns: [])")
        return kept if columns is None else [choose(name, kept, "kept column") for name in columns]

    def _readings(self, columns: Sequence[str]) -> tuple[dict[str, Floats], Integers, np.ndarray]:
        """The day and some columns over all runs one after the other, readings per run, and run_ids."""
        names = [f"{SERIES}{name}" for name in ("day", *columns)]
        rows = self.store.rows(["run_id", *names])
        found = pc.fill_null(pc.call_function("list_value_length", [rows[names[0]]]), 0)
        lengths = found.to_numpy().astype(np.int64)
        flat = {
            name.removeprefix(SERIES): pc.call_function("list_flatten", [rows[name]]).to_numpy()
            for name in names
        }
        return flat, lengths, rows["run_id"].to_numpy(zero_copy_only=False)

    def failures(self) -> pd.DataFrame:
        """Failed runs with their tracebacks."""
        rows = self.store.rows(["run_id", "status", "error", "traceback"]).to_pandas(use_threads=False)
        failed = rows[rows.status == "failed"].drop(columns="status")
        planned = self.plan.table.drop(columns="group").rename(columns=column_name)
        return planned.merge(failed, on="run_id", how="inner")

    def export(self, path: Path, *, series: bool = False) -> list[Path]:
        """Write the outcomes (or the series) as .csv, .parquet, .dta or .xlsx; the files written."""
        return write_table(path, self.series() if series else self.outcomes())

    def table(self) -> pd.DataFrame:
        """Means over the stuck patients, one row per point and treatment."""
        from unstuck_analysis.study.report import outcome_table

        found = outcome_table(self)
        return pd.DataFrame(found.rows, columns=pd.Index([column.title for column in found.columns]))

    def figure(self) -> "Figure | None":
        """The first outcome over whatever the study varies; None where no patient counts."""
        from unstuck_analysis.study.figures import outcome_figure, shown_outcomes

        return outcome_figure(self, shown_outcomes(self)[0])

    def _repr_html_(self) -> str:
        from unstuck_analysis.output.style import html_of
        from unstuck_analysis.study.report import version_notes

        notes = "".join(f"<p>{escape(note)}</p>" for note in version_notes(self))
        return html_of(self.table(), self.figure()) + notes


def draws_of(
    parameters: ParameterSet, cohort: CohortFile | None, seed: int, patient: int
) -> Mapping[str, float | str]:
    """Every draw of a patient by column (none for the typical patient)."""
    return {} if cohort is None else draw_traits(parameters, cohort, seed, patient).draws


def _with_units(table: pd.DataFrame, units: Mapping[str, str]) -> pd.DataFrame:
    """The table with the unit of every column that has one in `.attrs`; `units` are those of what varies."""
    named = {name: units.get(name) or described(name)[0] for name in map(str, table.columns)}
    table.attrs["units"] = {name: unit for name, unit in named.items() if unit}
    return table
