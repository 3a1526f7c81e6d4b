"""The patients of one browser tab, without a browser."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from unstuck.files.find import scenario_folders
from unstuck.files.treatment import Treatment
from unstuck.files.units import Dose
from unstuck.files.yaml import InputError
from unstuck.page import wire
from unstuck.page.copies import neuron_detail
from unstuck.page.plan import AddedStress, GivenDose, PanelPlan, Plan, from_query, to_query
from unstuck.page.prescribe import as_yaml, possible_part, prescribed
from unstuck.page.session import Session
from unstuck.parameters import default_parameters
from unstuck.patient.draw import draw_patient, read_cohort
from unstuck.patient.life import Life
from unstuck.patient.simulation import get_stuck

NEURONS = 120
THREE = Plan((PanelPlan("untreated"), PanelPlan("ssri-like"), PanelPlan("ketamine-like")), neurons=NEURONS)
TREATMENTS, DRUGS = ["untreated", "ssri-like", "ketamine-like"], ["ssri-like", "ketamine-like"]


def work(session: Session) -> None:
    """Work until what is wished for is shown."""
    for _ in range(500):
        session.work(0.04)
        if not session.busy:
            session.work(0.0)
            return
    raise AssertionError("the session did not get where it was asked to")


def shown(session: Session, column: str) -> list[float]:
    """One value of each panel that is shown."""
    assert session.snapshot is not None
    position = session.patient_copies()[0].columns.names.index(column)
    return [float(view.present[position]) for view in session.snapshot.panels]


def recoveries(session: Session) -> list[float]:
    """Recovery index of each panel that is shown."""
    return shown(session, "recovery")


@pytest.fixture
def session() -> Session:
    """Three copies of a small patient on day 0."""
    opened = Session(THREE)
    work(opened)
    return opened


def read_link(query: str) -> tuple[Plan, float, list[str]]:
    """Read a link as the page does."""
    return from_query(query, THREE, TREATMENTS, DRUGS, Dose.parse)


def test_a_link_says_the_whole_plan() -> None:
    given = (GivenDose(72, "ketamine-like", "0.5 mg/kg"), GivenDose(96, "ssri-like"))
    panel = PanelPlan("ssri-like", "40 mg", given, (AddedStress(24, 48), AddedStress(240)))
    plan = Plan((PanelPlan("untreated"), panel), seed=7, patient=3, neurons=200)
    assert read_link("?" + to_query(plan, 12.5)) == (plan, 12.5, [])


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("seed=-1", "seed must be a whole number"),
        ("neurons=1e9", "neurons must be a whole number from 100 to 5000"),
        ("patient=²", "patient must be a whole number"),
        ("day=nan", "a day from 0 to 365"),
        ("a=ssri-lik", "did you mean 'ssri-like'?"),
        ("a=ssri-like&a.dose=20", "a number without a unit"),
        ("a=ssri-like&a.give=-3+ssri-like", "whole number of hours"),
        ("a=ssri-like&a.give=3+ssri", "did you mean 'ssri-like'?"),
        ("a=ssri-like&a.give=3+ssri-like&a.give=3+ssri-like", "already given this hour"),
        ("a=ssri-like&a.stress=50-40", "take at least an hour"),
        ("a=ssri-like&a.stress=40-50&a.stress=45-60", "follow each other"),
        ("a=ssri-like&a.stress=9999999-", "whole number of hours"),
        ("b.dose=20+mg", "the link names no treatment b"),
        ("<script>=1", "it means nothing here"),
    ],
)
def test_nonsense_in_a_link_is_ignored_and_noted(query: str, why: str) -> None:
    plan, day, notes = read_link(query)
    assert any(why in note for note in notes)
    assert day == 0.0
    assert (plan.seed, plan.patient, plan.neurons) == (THREE.seed, THREE.patient, THREE.neurons)
    assert all(not panel.given or panel.given == (GivenDose(3, "ssri-like"),) for panel in plan.panels)


def test_stress_switched_on_and_off_in_the_same_hour_never_was() -> None:
    panel = PanelPlan("untreated").with_stress_switched(5)
    assert panel.under_stress
    assert panel.with_stress_switched(5) == PanelPlan("untreated")
    assert panel.with_stress_switched(9).stress == (AddedStress(5, 9),)


@pytest.mark.parametrize("dose", ["-5", "1e9", "abc", "1e9 mg", "0 mg", "nan mg", "20 km"])
def test_a_dose_that_is_none_changes_nothing(dose: str) -> None:
    session = Session(THREE)
    for act in (lambda: session.give(1, "ssri-like", dose), lambda: session.choose_dose(1, dose)):
        with pytest.raises(ValueError, match=r"."):
            act()
    assert session.wishes.plan == THREE


def test_what_does_not_exist_is_refused_before_anything_changes() -> None:
    session = Session(THREE)
    with pytest.raises(InputError, match="did you mean 'ssri-like'"):
        session.choose_treatment(0, "ssri-lik")
    with pytest.raises(InputError, match="unknown drug"):
        session.give(0, "aspirin", "1 g")
    assert session.wishes.plan == THREE


def test_a_dose_sets_only_what_the_treatment_gives() -> None:
    changed = prescribed(Treatment("ssri-like"), PanelPlan("ssri-like", "40 mg"))
    assert [str(regimen.dose) for regimen in changed.file.phases["treatment"].drugs] == ["40 mg"]
    with pytest.raises(ValueError, match="gives no drug"):
        prescribed(Treatment("untreated"), PanelPlan("untreated", "40 mg"))


def test_nothing_can_be_added_after_the_end_of_a_treatment() -> None:
    last_hour = Treatment("untreated").file.end_h - Treatment("untreated").file.day_0_h
    with pytest.raises(InputError, match="ends on day 168"):
        prescribed(
            Treatment("untreated"), PanelPlan("untreated", given=(GivenDose(int(last_hour), "ssri-like"),))
        )


def test_all_copies_begin_in_the_same_ditch_and_part_from_there(session: Session) -> None:
    assert recoveries(session) == pytest.approx([0.0, 0.0, 0.0], abs=1e-9)
    session.step(7 * 24)
    work(session)
    assert len({round(value, 3) for value in recoveries(session)}) == 3
    session.jump("12 weeks")
    work(session)
    assert session.day == pytest.approx(84.0)


def test_play_moves_time_by_the_clock_and_stops_at_the_end(session: Session) -> None:
    session.set_speed(48.0)
    session.play(True)
    session.work(0.1)
    assert session.day == pytest.approx(48 * 0.1 / 24)
    session.work(60.0)  # a stall is not made up for by a leap
    assert session.day == pytest.approx(48 * 0.35 / 24)
    session.step((session.last_day - 1) * 24)
    work(session)
    session.set_speed(168.0)
    session.play(True)
    for _ in range(40):
        session.work(0.25)
    assert session.day == pytest.approx(session.last_day)
    assert not session.wishes.playing


def test_health_comes_before_the_ditch_and_day_0_is_the_same_for_everyone(session: Session) -> None:
    stuck = shown(session, "connectivity")
    session.jump("healthy")
    work(session)
    assert session.day == pytest.approx(-102.0)
    assert recoveries(session) == pytest.approx([1.0, 1.0, 1.0], abs=0.01)
    with pytest.raises(ValueError, match="before day 0"):
        session.give(0, "ssri-like")
    session.step(102 * 24)
    work(session)
    assert shown(session, "connectivity") == pytest.approx(stuck)
    days = [row[0] for row in session.patient_copies()[0].rows]
    assert days == sorted(set(days))


@pytest.mark.parametrize(
    "do",
    [
        lambda session: session.give(0, "ketamine-like"),
        lambda session: session.give(1, "ssri-like", "60 mg"),
        lambda session: session.switch_stress(2),
        lambda session: session.choose_dose(1, "40 mg"),
        lambda session: session.choose_treatment(0, "tianeptine-like"),
    ],
)
def test_what_is_shown_is_what_the_exported_file_gives(
    session: Session, do: Callable[[Session], None]
) -> None:
    session.step(30)
    work(session)
    do(session)
    session.step(24 * 6)
    work(session)
    cohort = read_cohort(next(p for f in scenario_folders() if (p := f / "cohort.yaml").exists()))
    for number, on_page in enumerate(recoveries(session)):
        treatment = session.treatment(number)
        patient = draw_patient(
            treatment.circuit, default_parameters(), cohort, seed=1, index=0, neurons=NEURONS
        )
        life = Life(patient, treatment, get_stuck(patient, treatment))
        life.advance(life.time_h + session.day * 24)
        assert life.recovery == pytest.approx(on_page, abs=0.01)


def test_a_dose_by_hand_never_changes_what_was_before_it(session: Session) -> None:
    session.step(24 * 5)
    work(session)
    before = [row.copy() for row in session.patient_copies()[0].rows[:-1]]
    session.give(0, "ketamine-like")
    work(session)
    after = session.patient_copies()[0].rows[: len(before)]
    assert all(a == pytest.approx(b, abs=1e-6) for a, b in zip(before, after, strict=True))


def test_an_exported_file_reads_back_as_the_same_treatment(session: Session, tmp_path: Path) -> None:
    session.give(1, "ketamine-like", "1 mg/kg")
    session.switch_stress(1)
    name, text = session.scenario(1)
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    assert Treatment(str(file)).file == session.treatment(1).file
    assert f"--patient 0 --seed 1 --neurons {NEURONS}" in text
    assert as_yaml(session.treatment(1), session.wishes.plan) == text


def test_reset_undoes_what_was_done_by_hand(session: Session) -> None:
    session.give(0, "ketamine-like")
    session.switch_stress(1)
    session.step(240)
    work(session)
    session.reset()
    work(session)
    assert session.wishes.plan == THREE
    assert session.day == 0.0
    assert recoveries(session) == pytest.approx([0.0, 0.0, 0.0], abs=1e-9)


def test_a_failing_model_keeps_the_last_snapshot_and_reset_recovers(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.step(24)
    work(session)
    last = session.snapshot

    def fails(*_given: object, **_more: object) -> None:
        raise FloatingPointError("firing of nobody is nan")

    with monkeypatch.context() as patched:
        patched.setattr("unstuck.page.copies.PatientCopy.advance", fails)
        session.play(True)
        assert not session.work(0.04)
    assert session.wishes.fault == "The model stopped on day 1.0: firing of nobody is nan"
    assert not session.wishes.playing
    assert session.snapshot is last
    session.play(True)
    assert not session.work(0.04)
    session.reset()
    work(session)
    assert (session.wishes.fault, session.day) == ("", 0.0)


def test_a_hundred_wishes_cost_what_the_last_one_asks_for(session: Session) -> None:
    for _ in range(100):
        session.jump("12 weeks")
        session.jump("healthy")
        session.jump("stuck")
        session.switch_stress(0)
    work(session)
    assert session.day == 0.0
    assert session.wishes.plan == THREE


def test_a_frame_carries_the_rows_that_the_browser_lacks(session: Session) -> None:
    session.step(24)
    work(session)
    assert session.snapshot is not None
    received = wire.Received()
    whole = json.loads(wire.frame(session.snapshot, received))
    assert [panel["from"] for panel in whole["panels"]] == [0, 0, 0]
    received.note([[panel["run"], len(panel["rows"]) - 2] for panel in whole["panels"]])
    rest = json.loads(wire.frame(session.snapshot, received))
    assert [len(panel["rows"]) for panel in rest["panels"]] == [2, 2, 2]
    for nonsense in (None, [["x", 1]], [[1, -5]], {"a": 1}, [[1]]):
        received.note(nonsense)
        assert received.rows == {}


def test_a_neuron_tells_what_drives_it(session: Session) -> None:
    copy = session.patient_copies()[0]
    circuit = copy.patient.circuit
    detail = neuron_detail(circuit, copy.state, 0)
    assert detail.population == circuit.populations[0]
    assert detail.rate_Hz == pytest.approx(copy.state.x[0] * circuit.wiring.set_point_Hz[0])
    drives = [one.drive for one in detail.strongest]
    assert drives == sorted(drives, reverse=True)
    assert all(one.relative is None or 0.0 < one.relative < 1.5 for one in detail.strongest)
    everything = neuron_detail(circuit, copy.state, 0, most=NEURONS).strongest
    populations = circuit.file.populations
    home = populations[detail.population].region
    abroad = [one.drive for one in everything if populations[one.population].region != home]
    assert detail.excitation == pytest.approx(sum(one.drive for one in everything))
    assert detail.from_elsewhere == pytest.approx(sum(abroad))
    assert 0.0 < detail.from_elsewhere <= detail.excitation
    with pytest.raises(IndexError, match=f"the circuit has {NEURONS}"):
        neuron_detail(circuit, copy.state, NEURONS)


def test_curves_are_saved_with_a_line_for_every_panel_and_moment(session: Session) -> None:
    session.step(24)
    work(session)
    lines = session.curves_csv().splitlines()
    assert lines[0].startswith("panel,treatment,day,recovery,connectivity,structure,serotonin ")
    assert len(lines) == 1 + sum(len(copy.rows) for copy in session.patient_copies())


def opened(*treatments: str, day: float = 0.0, neurons: int = NEURONS) -> Session:
    """A session of some treatments that shows its first moment."""
    started = Session(Plan(tuple(PanelPlan(name) for name in treatments), neurons=neurons), day)
    work(started)
    return started


def controls(session: Session) -> dict[str, list[dict[str, object]]]:
    """What the page's controls are told."""
    return json.loads(wire.controls(session, ["untreated"], ["ssri-like"]))


def test_a_neuron_that_a_smaller_patient_does_not_have_is_let_go(session: Session) -> None:
    session.pick((0, NEURONS - 1))
    work(session)
    session.choose_patient(1, 0, 100)
    assert session.wishes.picked is None
    session.pick((0, NEURONS - 1))  # a click on the old picture, which comes late
    work(session)
    assert session.snapshot is not None
    assert (session.wishes.fault, session.snapshot.picked) == ("", None)
    session.pick((-1, -1))
    work(session)
    assert session.wishes.fault == ""


def test_a_snapshot_that_fails_stops_the_clock_and_not_the_worker(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_given: object, **_more: object) -> None:
        raise IndexError("there is no such neuron")

    monkeypatch.setattr("unstuck.page.session.neuron_detail", fails)
    session.pick((0, 0))
    assert not session.work(0.04)
    assert session.wishes.fault.endswith("there is no such neuron")


def test_curves_of_different_circuits_share_a_table_and_leave_empty_what_one_has_not() -> None:
    session = opened("ssri-like", "ssri-like-with-habenula")
    session.step(24)
    work(session)
    rows = list(csv.DictReader(io.StringIO(session.curves_csv())))
    assert all(None not in row and None not in row.values() for row in rows)
    assert all(row[name] for row in rows for name in session.patient_copies()[0].columns.names)
    assert {row["panel"]: bool(row["serotonin LHb"]) for row in rows} == {"A": False, "B": True}


@pytest.mark.parametrize(
    ("treatment", "dose"),
    [("psilocybin-1mg", "1 mg"), ("ssri-like", "20 mg"), ("ssri-maintenance", ""), ("untreated", "")],
)
def test_the_dose_on_offer_is_the_one_that_the_treatment_gives(treatment: str, dose: str) -> None:
    session = Session(Plan((PanelPlan(treatment),)))
    assert controls(session)["panels"][0]["usual"] == dose
    if not dose:
        with pytest.raises(ValueError, match="a dose can be set where there is one drug"):
            session.choose_dose(0, "30 mg")


def doses_shown(session: Session, drug: str) -> tuple[int, int]:
    """How many planned doses of a drug are decided to be given, and how many are still open."""
    assert session.snapshot is not None
    frame = json.loads(wire.frame(session.snapshot, wire.Received()))
    courses = {number: days for number, *days in frame["panels"][0]["courses"]}
    given = still_open = 0
    for day, name, regimen in controls(session)["panels"][0]["doses"]:  # type: ignore[misc]
        first, last, asked = courses.get(regimen, (-1e6, 1e6, 1e6))
        if name == drug:
            still_open += day >= asked
            given += day < asked and first <= day < last
    return given, still_open


def test_a_dose_with_a_condition_is_open_until_decided_and_then_given_or_never() -> None:
    session = opened("ssri-then-ketamine")
    given, still_open = doses_shown(session, "ketamine-like")
    assert (given, still_open > 0) == (0, True)
    session.step(24 * 80)
    work(session)
    recovered = recoveries(session)[0] > 0.5
    given, still_open = doses_shown(session, "ketamine-like")
    assert still_open == 0
    assert (given == 0) == recovered


def test_health_knows_no_stress_and_all_copies_open_day_0_with_the_same_picture(session: Session) -> None:
    assert session.snapshot is not None
    assert len({view.activity for view in session.snapshot.panels}) == 1
    session.jump("healthy")
    work(session)
    assert [view.stress for view in session.snapshot.panels] == [0.0, 0.0, 0.0]
    healthy = np.array(list(session.snapshot.panels[0].activity)) / 100
    assert healthy == pytest.approx(1.0, abs=0.011)
    session.step(1)
    work(session)
    assert all(view.stress > 0 for view in session.snapshot.panels)


def test_stress_is_marked_where_it_acted_life_events_included(tmp_path: Path) -> None:
    file = tmp_path / "eventful.yaml"
    file.write_text("title: Eventful\nextends: untreated\nphases: {treatment: {life_events: 40 per year}}\n")
    session = opened(str(file))
    session.step(24 * 60)
    work(session)
    assert session.snapshot is not None
    stretches = session.snapshot.panels[0].stressed
    assert any(first > 0 for first, _ in stretches)
    assert all(a[1] < b[0] for a, b in pairwise(stretches))


def test_a_treatment_changed_by_hand_says_so_in_its_title() -> None:
    untreated = Treatment("untreated")
    given = PanelPlan("untreated", given=(GivenDose(24, "ssri-like"),))
    assert prescribed(untreated, PanelPlan("untreated")).file.title == "Untreated"
    assert prescribed(untreated, given).file.title == "Untreated, changed by hand"


def test_a_day_after_the_end_becomes_the_last_and_play_says_that_it_is_the_end() -> None:
    session = Session(Plan((PanelPlan("untreated"),)), 300.0)
    assert session.wishes.goal_day == session.last_day == 168.0
    assert "ends on day 168" in session.wishes.notes[0]
    session.note("")
    session.play(True)
    assert not session.wishes.playing
    assert "day 168 is the end" in session.wishes.notes[0]


def test_a_shorter_treatment_takes_a_late_day_back_to_its_end() -> None:
    session = Session(Plan((PanelPlan("ssri-continue-year"),)), 300.0)
    assert (session.wishes.goal_day, session.wishes.notes) == (300.0, ())
    session.choose_treatment(0, "untreated")
    assert session.wishes.goal_day == 168.0
    assert "day 300 is not shown" in session.wishes.notes[0]


def test_a_link_with_an_impossible_event_keeps_the_possible_ones() -> None:
    late, fine = GivenDose(8_000, "ssri-like"), GivenDose(24, "ssri-like")
    plan = PanelPlan("untreated", "40 mg", (late, fine), (AddedStress(24, 48),))
    possible, impossible = possible_part(Treatment("untreated"), plan)
    assert possible == PanelPlan("untreated", "", (fine,), (AddedStress(24, 48),))
    assert len(impossible) == 2


def test_the_token_of_a_remote_page_is_no_business_of_the_plan() -> None:
    assert read_link("token=abc&seed=7") == (replace(THREE, seed=7), 0.0, [])


def test_a_treatment_file_of_ones_own_gives_its_name_and_offers_its_drugs() -> None:
    file = Path(__file__).parents[2] / "browser" / "failing.yaml"
    session = Session(Plan((PanelPlan(str(file)),)))
    assert session.scenario(0)[0] == "unstuck-a-failing.yaml"
    (own,) = controls(session)["panels"][0]["own_drugs"]  # type: ignore[misc]
    assert own == ["failing-drug.yaml", "A drive beyond all numbers", "1 mg"]
