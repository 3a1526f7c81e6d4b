"""Tables for Stata, SPSS, Excel and Parquet, with what their columns mean."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from unstuck.errors import InputError
from unstuck.files.circuit import CircuitFile
from unstuck.files.find import cohort_path
from unstuck.parameters import ParameterSet
from unstuck.patient.draw import draw_traits, read_cohort
from unstuck_analysis.outcomes import series_columns
from unstuck_analysis.output.columns import COLUMNS, described
from unstuck_analysis.output.export import write_table
from unstuck_analysis.study.file import OUTCOMES

LONG = "drug_ketamine_like_metabolites_norketamine_half_life"


@pytest.fixture
def table() -> pd.DataFrame:
    found = pd.DataFrame(
        {
            "treatment": ["untreated", "kétamine"],
            "onset_day": [np.nan, 2.5],
            "recovered": pd.array([None, True], "boolean"),
            "relapsed": [False, True],
            "conditions_met": pd.array([None, 2], "Int64"),
            "error": [None, "e" * 3000],
            f"{LONG}_a": [1.0, 2.0],
            f"{LONG}_b": [3.0, 4.0],
        }
    )
    found.attrs["units"] = {f"{LONG}_a": "d"}
    return found


def test_stata_reads_every_column_with_its_label(table: pd.DataFrame, tmp_path: Path) -> None:
    assert write_table(tmp_path / "t.dta", table) == [tmp_path / "t.dta"]
    with pd.io.stata.StataReader(tmp_path / "t.dta") as reader:
        back, labels = reader.read(), reader.variable_labels()
    assert back.treatment.tolist() == ["untreated", "kétamine"]
    assert back.error.tolist() == ["", "e" * 3000]
    assert back.relapsed.tolist() == [0, 1]
    np.testing.assert_array_equal(
        back[["onset_day", "recovered", "conditions_met"]], [[np.nan] * 3, [2.5, 1, 2]]
    )
    assert labels["onset_day"] == "First day with R of at least 0.5 (d)"
    first, second = back.columns[-2:]
    assert (len(first), first[:30], second) == (32, LONG[:30], f"{LONG[:30]}_2")
    assert (labels[first], labels[second]) == (f"{LONG}_a (d)", f"{LONG}_b")


def test_excel_has_the_table_and_a_sheet_of_meanings(table: pd.DataFrame, tmp_path: Path) -> None:
    write_table(tmp_path / "t.xlsx", table)
    sheets = pd.read_excel(tmp_path / "t.xlsx", sheet_name=None)
    assert sheets["table"].onset_day.tolist()[1] == 2.5
    assert list(sheets["table"].columns) == list(table.columns) == sheets["columns"].column.tolist()
    assert sheets["columns"].set_index("column").unit[["onset_day", f"{LONG}_a"]].tolist() == ["d", "d"]


def test_parquet_carries_unit_and_meaning_of_each_column(table: pd.DataFrame, tmp_path: Path) -> None:
    write_table(tmp_path / "t.parquet", table)
    field = pq.read_schema(tmp_path / "t.parquet").field("onset_day")
    assert field.metadata == {b"unit": b"d", b"meaning": b"First day with R of at least 0.5"}
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), table)


def test_csv_comes_with_a_table_of_meanings(table: pd.DataFrame, tmp_path: Path) -> None:
    written = write_table(tmp_path / "t.csv", table)
    assert [path.name for path in written] == ["t.csv", "t.columns.csv"]
    assert "onset_day,d,First day with R of at least 0.5" in (tmp_path / "t.columns.csv").read_text()


def test_another_ending_is_refused_with_those_that_work(table: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"t\.sav: the ending names the format: \.csv, \.parquet, \.dta or \.xlsx"
    ):
        write_table(tmp_path / "t.sav", table)


def test_every_column_of_the_shipped_model_has_a_meaning(
    default_file: CircuitFile, reference: ParameterSet
) -> None:
    drawn = draw_traits(reference, read_cohort(cohort_path()), 1, 0).draws
    columns = {"seed", "patient", "treatment", "day", *OUTCOMES, *series_columns(default_file), *drawn}
    assert [name for name in columns if not described(name)[1]] == []
    assert described("serotonin_HPC") == ("healthy = 1", "Extracellular serotonin: HPC")
    assert (
        max(len(f"{meaning} ({unit})" if unit else meaning) for unit, meaning in COLUMNS.values()) <= 80
    )  # as Stata's labels
