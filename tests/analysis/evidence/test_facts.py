"""The table of published findings: what may stand in it, and what each finding may be used for."""

from pathlib import Path

import pytest
from unstuck.errors import InputError
from unstuck_analysis.evidence.facts import COLUMNS, choose_facts, first_measurements, read_facts
from unstuck_analysis.evidence.findings import CIRCUIT, MEASURES, TABLES, TREATMENTS
from unstuck_analysis.evidence.runs import KNOCKS, treatment_file

F18 = "F18,fit,1,A,Ketamine,one infusion,R at 24 h,0.40,0.75,Han 2016,"


def table(folder: Path, *lines: str, header: str = ",".join(COLUMNS)) -> Path:
    path = folder / "facts.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def test_the_shipped_findings_are_fitted_held_out_seen_or_predicted() -> None:
    groups = {group: [f.id for f in read_facts() if f.group == group] for group in ("held-out", "seen")}
    assert groups == {
        "held-out": [f"U0{number}" for number in range(1, 9)],
        "seen": ["T09", "T10", "T11", "T13"],
    }
    assert [fact.id for fact in read_facts() if fact.group == "prediction"] == ["T15"]
    assert sum(fact.group == "fitted" for fact in read_facts()) == 46


def test_every_finding_is_measured_with_treatments_that_exist() -> None:
    known = {fact.id for circuit in TABLES for fact in read_facts(circuit=circuit)}
    assert known == set(MEASURES) == set(TREATMENTS) == set(CIRCUIT)
    for id, names in TREATMENTS.items():
        for name in (name for name in names if name not in KNOCKS):
            assert treatment_file(name, CIRCUIT[id]).file.title


def test_a_range_that_moved_says_so() -> None:
    history = {fact.id: fact.history for fact in read_facts()}
    assert history["T11"].startswith("upper end 1.0 at first; 5.0 before anything was built")
    assert "seen while it was built" in history["T02"]


def test_first_measurements_of_generation_1_are_kept() -> None:
    first = first_measurements(1)
    assert first["T11", ""].value == pytest.approx(1.16151)
    assert {id for id, _ in first} == {f"T{number:02d}" for number in range(1, 16)}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (F18.replace("0.40", "O.4"), "facts.csv:2: low must be a number or empty, not 'O.4'"),
        (F18.replace("0.75", "inf"), "facts.csv:2: high must be a number"),
        (F18.replace("0.40,0.75", ","), "facts.csv:2: low and high are empty"),
        (F18.replace("0.40", "0.80"), "facts.csv:2: low 0.8 is above high 0.75"),
        (F18.replace("fit", "fitt"), "facts.csv:2: unknown role 'fitt', did you mean 'fit'?"),
        (F18.replace("F18", "F81"), "facts.csv:2: unknown id 'F81'"),
        (F18.replace("fit,1", "fit,4"), "facts.csv:2: unknown generation '4'"),
        (F18 + ",more", "facts.csv:2: 12 cells, but there are 11 columns"),
    ],
)
def test_a_wrong_line_is_refused_with_its_place(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        read_facts(table(tmp_path, line))
    assert message in str(refused.value)


def test_a_finding_with_two_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"facts\.csv:3: F18 has a line already: line 2"):
        read_facts(table(tmp_path, F18, F18))


def test_a_table_of_generation_1_names_the_column_that_is_missing(tmp_path: Path) -> None:
    header = ",".join(column for column in COLUMNS if column != "history")
    with pytest.raises(InputError, match=r"facts\.csv:1: the column 'history' is missing"):
        read_facts(table(tmp_path, header=header))


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "facts.csv").touch()
    with pytest.raises(InputError, match="the file is empty"):
        read_facts(tmp_path / "facts.csv")


def test_a_finding_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InputError, match="unknown finding 'F199'"):
        choose_facts(read_facts(), ["F199"])
    assert [fact.id for fact in choose_facts(read_facts(), ["T11", "F01"])] == ["F01", "T11"]
