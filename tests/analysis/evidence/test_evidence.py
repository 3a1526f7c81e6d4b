"""Fact sheet, protocols, runs and verdicts."""

import hashlib
import json
from collections.abc import Callable
from contextlib import nullcontext
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from unstuck.files.yaml import InputError
from unstuck.patient.simulation import checkpoint_key
from unstuck_analysis.evidence import page, runs
from unstuck_analysis.evidence.arms import Setup, Subject, plan_cohort, plan_typical, run_subject, scenario
from unstuck_analysis.evidence.command import Request, gather
from unstuck_analysis.evidence.facts import COLUMNS, choose_facts, read_facts, shipped_file
from unstuck_analysis.evidence.findings import (
    Evidence,
    Finding,
    Measured,
    as_object,
    csv_rows,
    first_looks,
    measure_all,
)
from unstuck_analysis.evidence.mechanisms import mechanisms, rows_revised
from unstuck_analysis.evidence.pictures import by_theme

HEADER = ",".join(COLUMNS)
F18 = "F18,fit,A,Ketamine,one infusion,R at 24 h,0.40,0.75,Han 2016"
MEAN_FIELD = Subject(1, 0, 0, varied=False)


def sheet(folder: Path, *lines: str) -> Path:
    path = folder / "facts.csv"
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


def request(folder: Path, *rows: str, without: tuple[str, ...] = ()) -> Request:
    return Request(rows, without, True, None, 1, 1, folder, None)


def no_progress(what: str, total: int) -> nullcontext[Callable[[Subject], None]]:
    return nullcontext(lambda subject: None)


def test_every_finding_has_a_protocol_whose_scenarios_exist() -> None:
    facts = read_facts()
    assert [fact.role for fact in facts].count("fit") == 27
    assert [fact.role for fact in facts].count("test") == 15
    for name in {name for fact in facts for name in fact.scenarios}:
        assert scenario(name).file.title


def test_every_treatment_starts_from_the_stuck_state_of_the_untreated() -> None:
    named = read_facts()
    healthy = {setup.scenario for setup in plan_typical(named).parts if setup.starts == "healthy"}
    stuck = {name for fact in named for name in fact.scenarios} - healthy
    assert {checkpoint_key(scenario(name)) for name in stuck} == {checkpoint_key(scenario("untreated"))}


def test_rows_of_another_role_are_dropped_as_they_are_read(tmp_path: Path) -> None:
    broken = F18.replace("F18,fit", "T05,test").replace("0.40", "words")
    assert [fact.id for fact in read_facts(sheet(tmp_path, F18, broken), roles=("fit",))] == ["F18"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (F18.replace("0.40", "O.4"), "facts.csv:2: low must be a number or empty, not 'O.4'"),
        (F18.replace("0.75", "inf"), "facts.csv:2: high must be a number"),
        (F18.replace("0.40,0.75", ","), "facts.csv:2: low and high are empty"),
        (F18.replace("0.40", "0.80"), "facts.csv:2: the band is upside down"),
        (F18.replace("F18", "F1B"), "facts.csv:2: unknown id 'F1B', did you mean 'F"),
        (F18.replace(",fit", ",fitt"), "facts.csv:2: unknown role 'fitt', did you mean 'fit'"),
        (F18 + ",more", "facts.csv:2: 10 cells under 9 columns"),
        (F18 + "\n" + F18, "facts.csv:3: row F18 is there already, in line 2"),
    ],
)
def test_a_faulty_fact_sheet_is_refused_with_its_line(line: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        read_facts(sheet(tmp_path, line))


def test_a_missing_column_is_named_with_the_nearest_one_found(tmp_path: Path) -> None:
    path = tmp_path / "facts.csv"
    path.write_text(HEADER.replace("low", "lower") + "\n" + F18 + "\n")
    with pytest.raises(InputError, match=r"facts.csv:1: the column 'low' is missing.*'lower'"):
        read_facts(path)


def test_an_unknown_row_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(InputError, match="unknown row 'T1O', did you mean 'T1"):
        choose_facts(read_facts(), ["T1O"])


def test_an_empty_band_is_allowed_where_every_part_has_its_own() -> None:
    facts = {fact.id: fact for fact in read_facts()}
    assert (facts["T13"].low, facts["T13"].high) == (None, None)
    assert [facts["T13"].band(part) for part in facts["T13"].parts] == [(-inf, 1.0), (1.0, inf)]
    assert [facts["T09"].band(part) for part in facts["T09"].parts] == [(1.01, 2.5)] * 2


def finding(row: str, *values: float, first_look: bool | None = None, revised: bool = False) -> Finding:
    fact = next(fact for fact in read_facts() if fact.id == row)
    parts = [
        Measured(part.name, value, (nan, nan), *fact.band(part), part.exclusive)
        for part, value in zip(fact.parts, values, strict=True)
    ]
    return Finding(fact, parts, first_look, revised)


def test_a_row_of_several_parts_passes_only_if_all_do_and_shows_its_worst() -> None:
    assert finding("T09", 1.5, 1.2).passed
    assert finding("T09", 1.5, 1.0).passed is False
    assert finding("T09", 1.5, 1.0).worst.value == 1.0
    assert finding("T13", 0.9, 1.0).passed is False, "the end of this band is outside it"
    assert finding("F06", 0.6, 0.5).passed is False
    assert finding("F06", 0.6, 0.5).worst.value == 0.6, "the row's band belongs to its first part"


def test_a_number_that_does_not_exist_is_neither_pass_nor_miss() -> None:
    assert finding("F10", nan).passed is None
    assert finding("T09", nan, 1.0).passed is False
    assert finding("T07", inf).passed is False


def test_a_test_row_that_passes_only_after_a_mechanism_was_added_is_called_revised() -> None:
    assert finding("T02", 0.5, first_look=False, revised=True).verdict == "revised"
    assert finding("T02", 0.5, first_look=False).verdict == "pass here", "another sample, not another model"
    assert finding("T02", 0.5, first_look=True).verdict == "pass"
    assert finding("T02", 0.9, first_look=False).verdict == "miss"


def test_a_row_counts_as_revised_only_while_the_mechanism_added_for_it_is_on() -> None:
    added = {name: each for name, each in mechanisms().items() if each.added_for}
    assert added, "without an added mechanism nothing can be revised"
    for name, mechanism in added.items():
        assert mechanism.source, f"{name} has no source"
        assert set(mechanism.added_for) <= rows_revised()
        assert not set(mechanism.added_for) & rows_revised(without=name)


def test_a_prediction_is_not_told_as_a_fact() -> None:
    told = finding("T15", 0.0)
    evidence = Evidence([told], 0, 0, 0, 1, 1, 0)
    assert "prediction" in page.headline(evidence)
    assert page.rows(evidence)[0][page.COLUMNS.index("role")] == "prediction, not a fact"


def test_the_first_look_holds_every_test_row() -> None:
    looks = first_looks()
    assert list(looks) == [fact.id for fact in read_facts() if fact.role == "test"]
    assert all(isinstance(look, bool) for look in looks.values())


def test_the_mean_field_holds_every_fitted_finding() -> None:
    found = measure_all(read_facts(roles=("fit",)), quick=True)
    assert {f.fact.id: f.passed for f in found.findings if not f.passed} == {}
    assert found.count("fit") == (27, 27)


def test_a_measured_row_is_what_the_contract_says(tmp_path: Path) -> None:
    evidence, matrix = gather(request(tmp_path, "F18", "T05", "T13"), no_progress)
    rows = json.loads(json.dumps(as_object(evidence), allow_nan=False))["rows"]
    assert matrix is None
    assert [row["id"] for row in rows] == ["F18", "T05", "T13"]
    keys = {"id", "role", "pass", "first_look", "value", "low", "high", "parts"}
    assert all(set(row) == keys for row in rows)
    assert all(set(part) == {"name", "value", "low", "high", "pass"} for row in rows for part in row["parts"])
    assert rows[0]["pass"] is True
    assert rows[0]["first_look"] is None
    assert 0.4 < rows[0]["value"] < 0.75
    assert (rows[1]["pass"], rows[1]["value"]) == (None, None), "a cohort row is not measured quickly"
    assert (rows[2]["low"], rows[2]["high"]) == (None, None)
    assert len(csv_rows(evidence)) == 4


def test_what_is_stored_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = choose_facts(read_facts(), ["F01", "F18"])
    first = measure_all(facts, quick=True, folder=tmp_path)
    monkeypatch.setattr(runs, "run_job", lambda job: pytest.fail("it is stored"))
    again = measure_all(facts, quick=True, folder=tmp_path)
    assert as_object(again) == as_object(first)


def test_an_arm_is_stored_under_a_name_that_follows_what_it_depends_on() -> None:
    facts = choose_facts(read_facts(), ["F18"])
    job = runs.Job(MEAN_FIELD, plan_typical(facts))
    setup = next(iter(job.plan.parts))
    keys = {
        runs.arm_key(job, setup),
        runs.arm_key(runs.Job(Subject(2, 0, 0, False), job.plan), setup),
        runs.arm_key(runs.Job(MEAN_FIELD, job.plan, "trkb-drive"), setup),
        runs.arm_key(runs.Job(MEAN_FIELD, plan_typical(choose_facts(read_facts(), ["F18", "F19"]))), setup),
    }
    assert len(keys) == 4


def test_only_responders_go_on_into_the_year_with_life_events() -> None:
    plan = plan_cohort(choose_facts(read_facts(), ["T12"]))
    assert [setup.scenario for setup in plan.parts] == ["ssri-84d", "ssri-stop-year", "ssri-continue-year"]
    assert {setup.scenario for setup in plan.responders} == {"ssri-stop-year", "ssri-continue-year"}
    events = {name: scenario(name).file.phases for name in ("ssri-stop-year", "ssri-continue-year")}
    assert all(phases["year"].life_events == 4 for phases in events.values())
    assert all(phases["treatment"].life_events is None for phases in events.values())


def test_typical_subjects_live_without_noise_and_patients_with_it() -> None:
    facts = choose_facts(read_facts(), ["T02"])
    records = run_subject(Subject(1, 0, 0, varied=True), plan_cohort(facts))
    course = records[Setup("ssri-84d")].course
    typical = run_subject(MEAN_FIELD, plan_typical(choose_facts(read_facts(), ["F11"])))
    quiet = next(iter(typical.values())).course
    assert set(range(85)) <= set(np.round(course.days, 9)), "daily noise ends a step every day"
    assert not set(range(85)) <= set(np.round(quiet.days, 9))


def test_every_finding_belongs_to_one_theme() -> None:
    facts = read_facts()
    groups = by_theme(facts)
    assert sorted(position for rows in groups.values() for position in rows) == list(range(len(facts)))
    assert next(iter(groups)) == "Stress and the stuck state"
    assert list(groups)[-1] == "Across classes"


def test_the_shipped_sheet_is_the_one_that_was_frozen() -> None:
    digest = hashlib.sha256(shipped_file("facts.csv").read_bytes()).hexdigest()
    assert digest == "84476d7425504a6540fd1afe61fab3ae986ed9131cf4eea14394b9b2cb06da03"


def test_the_command_prints_one_object_and_writes_table_figure_and_page(
    unstuck: Callable[..., Any], tmp_path: Path
) -> None:
    done = unstuck("evidence", "--quick", "--row", "F18", "T11", "--json", "--out", tmp_path)
    assert done.code == 0
    assert [row["id"] for row in done.json["rows"]] == ["F18", "T11"]
    assert {"evidence.csv", "report.html", "findings.png"} <= {path.name for path in tmp_path.iterdir()}
    page = (tmp_path / "report.html").read_text()
    assert "Ketamine: large effect at 24 h" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--row", "F81"), "unknown row 'F81', did you mean"),
        (("--without", "trk-drive"), "unknown mechanism 'trk-drive', did you mean 'trkb-drive'"),
        (("--facts", "no-such.csv"), "no-such.csv: cannot be read"),
    ],
)
def test_a_name_that_does_not_exist_is_bad_input(
    arguments: tuple[str, str], message: str, unstuck: Callable[..., Any], tmp_path: Path
) -> None:
    done = unstuck("evidence", "--quick", *arguments, "--out", tmp_path / "out")
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert not (tmp_path / "out").exists()
