"""Links, and what a plan makes of a treatment."""

from pathlib import Path

import pytest
from unstuck.errors import InputError
from unstuck.files.treatment import Treatment
from unstuck.files.units import DoseAmount
from unstuck_analysis.view import prepare
from unstuck_analysis.view.cases import Cases
from unstuck_analysis.view.plan import AddedStress, GivenDose, Note, PanelPlan, Plan, from_query, to_query
from unstuck_analysis.view.prescribe import checked_dose, possible_part, prescribed, with_doses_times
from unstuck_analysis.view.recording import header
from unstuck_analysis.view.shows import command_for, scenario, show_of

THREE = Plan((PanelPlan("untreated"), PanelPlan("ssri-like"), PanelPlan("ketamine-like")), neurons=120)
TREATMENTS, DRUGS = ["untreated", "ssri-like", "ketamine-like"], ["ssri-like", "ketamine-like"]


def read_link(query: str) -> tuple[Plan, float, list[Note]]:
    """Read a link as the page does."""
    return from_query(query, THREE, TREATMENTS, DRUGS, DoseAmount.parse)


def test_a_link_says_the_whole_plan() -> None:
    given = (GivenDose(72, "ketamine-like", "0.5 mg/kg"), GivenDose(96, "ssri-like"))
    panel = PanelPlan("ssri-like", "40 mg", given, (AddedStress(24, 48), AddedStress(240)))
    plan = Plan((PanelPlan("untreated"), panel), seed=7, patient=3, neurons=200, circuit="ocd")
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
        ("a=ssri-like&a.give=3+ssri-like&a.give=3+ssri-like", "already given in hour 3"),
        ("a=ssri-like&a.stress=50-40", "at least one hour"),
        ("a=ssri-like&a.stress=40-50&a.stress=45-60", "must not overlap"),
        ("a=ssri-like&a.stress=9999999-", "whole number of hours"),
        ("b.dose=20+mg", "the link names no treatment for copy b"),
        ("circuit=anxeity", "did you mean 'anxiety'?"),
        ("<script>=1", "unknown key"),
    ],
)
def test_nonsense_in_a_link_is_left_out_with_a_note(query: str, why: str) -> None:
    plan, day, notes = read_link(query)
    assert any(why in str(note) for note in notes)
    assert day == 0.0
    assert (plan.seed, plan.patient, plan.neurons) == (THREE.seed, THREE.patient, THREE.neurons)


def test_a_link_with_an_impossible_dose_keeps_the_possible_ones() -> None:
    plan, _, notes = Cases().plan("a=untreated&a.give=24+ssri-like&a.give=8000+ssri-like", THREE)
    assert plan.panels[0].given == (GivenDose(24, "ssri-like"),)
    assert "ends on day 168" in notes[0].why


def test_a_day_after_the_end_becomes_the_last_day_with_a_note() -> None:
    _, day, notes = Cases().plan("a=untreated&day=300", THREE)
    assert day == 168.0
    assert "ends on day 168" in notes[0].why


@pytest.mark.parametrize("dose", ["-5", "1e9", "abc", "1e9 mg", "0 mg", "nan mg", "20 km"])
def test_a_text_that_is_not_a_possible_dose_is_refused(dose: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        checked_dose(Treatment("ssri-like"), "ssri-like", dose)


def test_a_dose_can_be_set_only_where_one_drug_is_given() -> None:
    changed = prescribed(Treatment("ssri-like"), PanelPlan("ssri-like", "40 mg"))
    assert [str(regimen.dose) for regimen in changed.file.phases["treatment"].drugs] == ["40 mg"]
    with pytest.raises(ValueError, match="a dose can be set only where one drug"):
        prescribed(Treatment("untreated"), PanelPlan("untreated", "40 mg"))


def test_doses_times_a_factor_are_those_from_day_0_on() -> None:
    doubled = with_doses_times(Treatment("ssri-like"), 2.0)
    by_hand = prescribed(Treatment("ssri-like"), PanelPlan("ssri-like", "40 mg"))
    (regimen,), (other,) = (one.file.phases["treatment"].drugs for one in (doubled, by_hand))
    assert (str(regimen.dose), regimen.every) == ("40 mg", other.every)
    knock_out = with_doses_times(Treatment("sert-knock-out-ssri"), 2.0)
    usual = Treatment("sert-knock-out-ssri").file.phases
    assert [name for name, phase in knock_out.file.phases.items() if phase != usual[name]] == ["treatment"]


def test_the_possible_part_of_a_plan_names_what_is_impossible() -> None:
    plan = PanelPlan("untreated", "40 mg", (GivenDose(24, "ssri-like"),))
    possible, impossible = possible_part(Treatment("untreated"), plan)
    assert possible == PanelPlan("untreated", given=plan.given)
    assert len(impossible) == 1


def test_a_treatment_changed_by_hand_says_so_in_its_title() -> None:
    given = PanelPlan("untreated", given=(GivenDose(24, "ssri-like"),))
    assert prescribed(Treatment("untreated"), PanelPlan("untreated")).file.title == "Untreated"
    assert prescribed(Treatment("untreated"), given).file.title == "Untreated, changed by hand"


def test_a_saved_treatment_reads_back_as_the_same_treatment(tmp_path: Path) -> None:
    panel = PanelPlan(
        "ssri-like", given=(GivenDose(0, "ketamine-like", "1 mg/kg"),), stress=(AddedStress(24, 48),)
    )
    plan = Plan((PanelPlan("untreated"), panel), neurons=120)
    name, text = scenario(plan, 1)
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    assert Treatment(str(file)).file == prescribed(Treatment("ssri-like"), panel).file
    assert command_for(plan, 1) == f"unstuck run {name} --patient 0 --seed 1 --neurons 120"


@pytest.mark.parametrize(
    ("treatment", "dose"),
    [("psilocybin-1mg", "1 mg"), ("ssri-like", "20 mg"), ("ssri-maintenance", ""), ("untreated", "")],
)
def test_the_dose_on_offer_is_the_one_that_the_treatment_gives(treatment: str, dose: str) -> None:
    panels = show_of(Plan((PanelPlan(treatment),))).about()["panels"]
    assert isinstance(panels, list)
    assert panels[0]["usual"] == dose


def test_a_command_line_names_at_most_three_known_treatments() -> None:
    with pytest.raises(InputError, match="at most 3 side by side"):
        prepare(["untreated"] * 4)
    with pytest.raises(InputError, match="did you mean 'untreated'"):
        prepare(["untreatd"])
    with pytest.raises(InputError, match="from 100 to 5000"):
        prepare(neurons=7)


@pytest.mark.parametrize("circuit", ["anxiety", "ocd"])
def test_another_circuit_is_shown_by_its_own_readout_and_named_in_commands(circuit: str) -> None:
    shown = prepare(["ssri-like"], circuit=circuit, neurons=100)
    recorder = Cases(circuit=circuit).recorder(shown.plan, shown.plan.panels[0])
    about = header(recorder)
    readout = recorder.patient.circuit.file.readout
    assert about["readout"] == {
        "name": {"anxiety": "fear", "ocd": "loop"}[circuit],
        "limit": 1.12,
        "weaker": False,
    }
    assert about["notStuck"] == (recorder.way.checkpoint.stuck.connectivity < readout.limit)
    assert command_for(shown.plan, 0).endswith(f"--circuit {circuit}")
    with pytest.raises(InputError, match="leave out --circuit"):
        shown.serve_mesa(port=0)
    with pytest.raises(InputError, match="leave out --circuit"):
        prepare(story="getting-stuck", circuit=circuit)
