"""Tables as files for other programs: CSV, Parquet, Stata and Excel, with units and meanings of the columns.

.csv        numbers in full; NAME.columns.csv next to it has units and meanings
.parquet    unit and meaning are metadata of each column
.dta        Stata, which SPSS and R read too; labels of the variables
.xlsx       Excel, with a second sheet
"""

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from unstuck.errors import InputError

from unstuck_analysis.output.columns import described
from unstuck_analysis.output.files import write_whole

_EXCEL_ROWS = 2**20 - 1
_STATA_NAME, _STATA_LABEL, _STATA_TEXT = 32, 80, 2045


def write_table(path: Path, table: pd.DataFrame) -> list[Path]:
    """Write a table in the format that the ending names, whole or not at all; the files written.

    Units in `table.attrs["units"]` come before those of `output.columns`. Raises InputError for another
    ending, or too many rows for Excel.
    """
    kinds = {".csv": _csv, ".parquet": _parquet, ".dta": _stata, ".xlsx": _excel}
    if path.suffix not in kinds:
        netcdf = "; in Python, `table.set_index([...]).to_xarray()` makes a NetCDF dataset"
        known = f"{', '.join(list(kinds)[:-1])} or {list(kinds)[-1]}"
        told = netcdf if path.suffix == ".nc" else ""
        raise InputError(f"{path}: the ending names the format: {known}{told}")
    meanings = column_meanings(table)
    write_whole(path, kinds[path.suffix](table, meanings))
    if path.suffix != ".csv":
        return [path]
    units = path.with_suffix(".columns.csv")
    write_whole(units, _csv(meanings, meanings))
    return [path, units]


def column_meanings(table: pd.DataFrame) -> pd.DataFrame:
    """One row per column of a table: its name, unit and meaning."""
    units = table.attrs.get("units", {})
    rows = [(name, *described(name)) for name in map(str, table.columns)]
    known = [(name, units.get(name, unit), meaning) for name, unit, meaning in rows]
    return pd.DataFrame(known, columns=pd.Index(["column", "unit", "meaning"]))


def _csv(table: pd.DataFrame, meanings: pd.DataFrame) -> bytes:
    return table.to_csv(index=False, lineterminator="\n").encode()


def _parquet(table: pd.DataFrame, meanings: pd.DataFrame) -> bytes:
    arrow = pa.Table.from_pandas(table, preserve_index=False, nthreads=1)
    fields = [
        field.with_metadata({"unit": unit, "meaning": meaning})
        for field, unit, meaning in zip(arrow.schema, meanings.unit, meanings.meaning, strict=True)
    ]
    of_table = {**(arrow.schema.metadata or {}), "PANDAS_ATTRS": json.dumps(table.attrs)}
    buffer: Any = io.BytesIO()
    pq.write_table(arrow.cast(pa.schema(fields, of_table)), buffer)
    return buffer.getvalue()


def _stata(table: pd.DataFrame, meanings: pd.DataFrame) -> bytes:
    """Stata's format 118: yes and no are 1 and 0, names have at most 32 letters, missing texts are empty."""
    names = _short_names([str(name) for name in table.columns])
    plain = pd.DataFrame({name: _for_stata(table.iloc[:, k]) for k, name in enumerate(names)})
    labels = [
        f"{meaning or column} ({unit})" if unit else meaning or column
        for column, unit, meaning in meanings.itertuples(index=False)
    ]
    texts = plain.select_dtypes("object")
    long = [name for name in texts if texts[name].str.len().max() > _STATA_TEXT]
    buffer: Any = io.BytesIO()
    plain.to_stata(
        buffer,
        write_index=False,
        version=118,
        convert_strl=long,
        variable_labels={name: label[:_STATA_LABEL] for name, label in zip(names, labels, strict=True)},
    )
    return buffer.getvalue()


def _for_stata(column: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column):  # yes and no among them
        return column.astype("float64" if column.hasnans else "int64") if _is_whole(column) else column
    return column.astype("object").where(column.notna(), "").astype(str)


def _is_whole(column: pd.Series) -> bool:
    return pd.api.types.is_bool_dtype(column) or pd.api.types.is_integer_dtype(column)


def _short_names(names: list[str]) -> list[str]:
    """Names of at most 32 letters, each once."""
    short: list[str] = []
    for name in names:
        number, found = 1, name[:_STATA_NAME]
        while found in short:
            number += 1
            found = f"{name[: _STATA_NAME - 1 - len(str(number))]}_{number}"
        short.append(found)
    return short


def _excel(table: pd.DataFrame, meanings: pd.DataFrame) -> bytes:
    if len(table) > _EXCEL_ROWS:
        raise InputError(f"{len(table)} rows: Excel takes {_EXCEL_ROWS}; write .parquet or .csv")
    buffer: Any = io.BytesIO()
    with pd.ExcelWriter(buffer, engine="openpyxl") as writer:
        table.to_excel(writer, sheet_name="table", index=False)
        meanings.to_excel(writer, sheet_name="columns", index=False)
    return buffer.getvalue()
