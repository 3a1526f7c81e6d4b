"""The patients of one browser tab, without a browser."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from unstuck.documents import InputError
from unstuck.life import Life
from unstuck.page import wire
from unstuck.page.copies import neuron_detail
from unstuck.page.plan import AddedStress, GivenDose, PanelPlan, Plan, from_query, to_query
from unstuck.page.prescribe import as_yaml, prescribed
from unstuck.page.session import Session
from unstuck.parameters import default_parameters
from unstuck.patient import draw_patient, read_cohort
from unstuck.quantities import Dose
from unstuck.scenario import Treatment, scenario_folders
from unstuck.simulation import get_stuck

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


@pytest.mark.quick
def test_a_link_says_the_whole_plan() -> None:
    given = (GivenDose(72, "ketamine-like", "0.5 mg/kg"), GivenDose(96, "ssri-like"))
    panel = PanelPlan("ssri-like", "40 mg", given, (AddedStress(24, 48), AddedStress(240)))
    plan = Plan((PanelPlan("untreated"), panel), seed=7, patient=3, neurons=200)
    assert read_link("?" + to_query(plan, 12.5)) == (plan, 12.5, [])


@pytest.mark.quick
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


@pytest.mark.quick
def test_stress_switched_on_and_off_in_the_same_hour_never_was() -> None:
    panel = PanelPlan("untreated").with_stress_switched(5)
    assert panel.under_stress
    assert panel.with_stress_switched(5) == PanelPlan("untreated")
    assert panel.with_stress_switched(9).stress == (AddedStress(5, 9),)


@pytest.mark.quick
@pytest.mark.parametrize("dose", ["-5", "1e9", "abc", "1e9 mg", "0 mg", "nan mg", "20 km"])
def test_a_dose_that_is_none_changes_nothing(dose: str) -> None:
    session = Session(THREE)
    for act in (lambda: session.give(1, "ssri-like", dose), lambda: session.choose_dose(1, dose)):
        with pytest.raises(ValueError, match=r"."):
            act()
    assert session.wishes.plan == THREE


@pytest.mark.quick
def test_what_does_not_exist_is_refused_before_anything_changes() -> None:
    session = Session(THREE)
    with pytest.raises(InputError, match="did you mean 'ssri-like'"):
        session.choose_treatment(0, "ssri-lik")
    with pytest.raises(InputError, match="unknown drug"):
        session.give(0, "aspirin", "1 g")
    assert session.wishes.plan == THREE


@pytest.mark.quick
def test_a_dose_sets_only_what_the_treatment_gives() -> None:
    changed = prescribed(Treatment("ssri-like"), PanelPlan("ssri-like", "40 mg"))
    assert [str(regimen.dose) for regimen in changed.file.phases["treatment"].drugs] == ["40 mg"]
    with pytest.raises(ValueError, match="gives 0 drugs"):
        prescribed(Treatment("untreated"), PanelPlan("untreated", "40 mg"))


@pytest.mark.quick
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
    with pytest.raises(IndexError, match=f"the circuit has {NEURONS}"):
        neuron_detail(circuit, copy.state, NEURONS)


def test_curves_are_saved_with_a_line_for_every_panel_and_moment(session: Session) -> None:
    session.step(24)
    work(session)
    lines = session.curves_csv().splitlines()
    assert lines[0].startswith("panel,treatment,day,recovery,connectivity,structure,serotonin ")
    assert len(lines) == 1 + sum(len(copy.rows) for copy in session.patient_copies())
