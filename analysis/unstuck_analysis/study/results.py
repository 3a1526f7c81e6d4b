"""The results of a study as tables: outcomes, time series, failures, and files for other programs."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from unstuck.files.yaml import InputError

from unstuck_analysis.output.files import write_parquet, write_whole
from unstuck_analysis.study.plan import Plan
from unstuck_analysis.study.store import SERIES, Store

if TYPE_CHECKING:
    import xarray as xr

KINDS = (".csv", ".parquet", ".nc")
_PANDAS = {pa.bool_(): pd.BooleanDtype(), pa.int64(): pd.Int64Dtype()}


class Results:
    """What a study's folder holds, at any moment of the study. InputError if there is no study."""

    def __init__(self, folder: str | Path) -> None:
        self.store = Store(Path(folder))
        self.spec = self.store.spec

    @cached_property
    def plan(self) -> Plan:
        """Every planned run."""
        return self.store.plan

    @property
    def units(self) -> dict[str, str]:
        """Unit by column of the tables, for columns that have one."""
        knobs = self.store.knobs
        units = {path: knobs[path].unit for path in self.plan.paths}
        days = [name for name in self.spec.outcomes if name.endswith(("_day", "_days"))]
        return {path: unit for path, unit in units.items() if unit != "1"} | dict.fromkeys(
            [*days, "day"], "d"
        )

    def outcomes(self) -> pd.DataFrame:
        """One row a finished run (one patient, point and arm), in the order of the plan; units in `.attrs`.

        Failed runs have status `failed`, their error, and no outcomes.
        """
        columns = ["run_id", "status", *self.spec.outcomes, "error"]
        rows = self.store.rows(columns).to_pandas(types_mapper=_PANDAS.get)
        planned = self.plan.table.drop(columns="group")
        table = planned.merge(rows, on="run_id", how="inner", validate="many_to_one")
        table["error"] = table["error"].fillna("")
        return _with_units(table, self.units)

    def series(self) -> pd.DataFrame:
        """One row a reading: run_id, treatment, point, patient, day and the columns that the study keeps.

        InputError for a study that keeps none.
        """
        names = [f"{SERIES}{name}" for name in self._series_columns]
        if not names:
            raise InputError(f"{self.store.folder}: this study keeps no series (series: columns: [])")
        rows = self.store.rows(["run_id", *names])
        lengths = pc.fill_null(pc.call_function("list_value_length", [rows[names[0]]]), 0).to_numpy()
        flat = {name: pc.call_function("list_flatten", [rows[name]]).to_numpy() for name in names}
        readings = pd.DataFrame({name.removeprefix(SERIES): values for name, values in flat.items()})
        readings.insert(0, "run_id", np.repeat(rows["run_id"].to_numpy(zero_copy_only=False), lengths))
        planned = self.plan.table[["run_id", "point", "treatment", "patient"]]
        table = planned.merge(readings, on="run_id", how="inner")
        return _with_units(table, {"day": "d"})

    def failures(self) -> pd.DataFrame:
        """Failed runs with their tracebacks."""
        rows = self.store.rows(["run_id", "status", "error", "traceback"]).to_pandas()
        failed = rows[rows.status == "failed"].drop(columns="status")
        return self.plan.table.drop(columns="group").merge(failed, on="run_id", how="inner")

    def dataset(self) -> "xr.Dataset":
        """Outcomes by run, and series by run and day (NaN after a run's end), with units as attributes."""
        xarray = _xarray()
        outcomes = self.outcomes()
        variables = {name: ("run", _plain(outcomes.loc[:, name])) for name in outcomes.columns}
        data = xarray.Dataset(variables, attrs={"title": self.spec.study.title, "model": self.spec.model})
        if self._series_columns:
            data = data.merge(self._series_by_day(outcomes))
        for name, unit in self.units.items():
            if name in data.variables:
                data[name].attrs["units"] = unit
        return data

    def _series_by_day(self, outcomes: pd.DataFrame) -> "xr.Dataset":
        series, who = self.series(), ["run_id", "point", "treatment", "patient"]
        rows = pd.MultiIndex.from_frame(outcomes.loc[:, who])
        columns = self._series_columns[1:]
        wide = {name: series.pivot(index=who, columns="day", values=name).reindex(rows) for name in columns}
        days = wide[columns[0]].columns.to_numpy(dtype=float)
        kept = {
            f"{SERIES}{name}": (("run", "day"), table.to_numpy(dtype=float)) for name, table in wide.items()
        }
        return _xarray().Dataset(kept, coords={"day": days})

    def export(self, path: Path, *, series: bool = False) -> None:
        """Write outcomes (or the series) as .csv or .parquet, or both together as .nc (NetCDF)."""
        if path.suffix not in KINDS:
            raise InputError(f"{path}: the ending says the format: one of {', '.join(KINDS)}")
        if path.suffix == ".nc":
            _write_netcdf(self.dataset(), path)
            return
        table = self.series() if series else self.outcomes()
        if path.suffix == ".csv":
            write_whole(path, table.to_csv(index=False, lineterminator="\n").encode())
        else:
            write_parquet(path, table)

    @property
    def _series_columns(self) -> list[str]:
        columns = self.spec.study.series.columns
        return ["day", *columns] if columns else []


def _with_units(table: pd.DataFrame, units: dict[str, str]) -> pd.DataFrame:
    table.attrs["units"] = {name: unit for name, unit in units.items() if name in table.columns}
    return table


def _plain(column: pd.Series) -> np.ndarray:
    """A column as numbers or texts that NetCDF knows; what is missing becomes NaN."""
    if column.dtype == "string" or column.dtype == object:
        return column.astype(str).to_numpy(dtype=str)
    return column.to_numpy(dtype=float, na_value=np.nan) if column.isna().any() else column.to_numpy()


def _xarray() -> Any:
    try:
        import xarray
    except ImportError:
        raise InputError("NetCDF needs xarray: pip install 'unstuck[netcdf]'") from None
    return xarray


def _write_netcdf(data: "xr.Dataset", path: Path) -> None:
    beside = path.with_name(f".{path.name}.part")
    try:
        data.to_netcdf(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
