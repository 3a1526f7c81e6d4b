"""Treatment files say what happens and when; what makes no sense is refused at its line."""

from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unstuck.engine.step import Accuracy
from unstuck.errors import InputError
from unstuck.files.find import find, shipped
from unstuck.files.treatment import Condition, Regimen, Treatment, TreatmentFile, dosing_notes
from unstuck.parameters import default_parameters
from unstuck.patient.draw import Patient, draw_patient
from unstuck.patient.life import Checkpoint, Life, get_stuck


class Write(Protocol):
    """Writes a treatment file that extends the untreated one: the regimens of its treatment phase."""

    def __call__(self, regimens: str, name: str = "own") -> Path: ...


START = "title: Own\nextends: untreated\nphases:\n  treatment:\n    for: 12 weeks\n    drugs:\n"


@pytest.fixture
def own(tmp_path: Path) -> Write:
    def write(regimens: str, name: str = "own") -> Path:
        path = tmp_path / f"{name}.yaml"
        path.write_text(START + "".join(f"      - {line}\n" for line in regimens.splitlines()))
        return path

    return write


@pytest.mark.parametrize("name", shipped("treatments"))
def test_every_shipped_treatment_loads_with_its_circuit_and_drugs(name: str) -> None:
    treatment = Treatment(name)
    assert treatment.name == name
    assert treatment.file.title
    assert treatment.file.day_0_h > 0
    assert {r.drug for phase in treatment.file.phases.values() for r in phase.drugs} == set(treatment.drugs)


def test_all_shipped_treatments_begin_at_an_age_at_which_the_patient_is_stuck() -> None:
    untreated = Treatment("untreated").file
    assert list(untreated.phases)[:2] == ["stress", "rest"]
    assert untreated.day_0_h == (42 + 60) * 24.0
    assert untreated.start_h("stress") == 0.0
    assert untreated.start_h("rest") == 42 * 24.0


OWN_STRESS = "title: Own\nphases:\n  stress: {for: patient, stress: 1.0}\n  treatment: {for: 1 d}\n"


def test_the_stress_of_a_patient_takes_the_place_of_the_typical_length(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(OWN_STRESS)
    treatment = Treatment(str(path))
    assert treatment.file.day_0_h == treatment.with_stress_of(None).file.day_0_h == 42 * 24.0
    assert treatment.with_stress_of(100.0).file.day_0_h == 100.0
    path.write_text(OWN_STRESS.replace("patient", "3 weeks"))
    assert Treatment(str(path)).with_stress_of(100.0).file.day_0_h == 21 * 24.0


@pytest.mark.parametrize(
    ("old", "new", "place", "told"),
    [
        ("for: 1 d", "for: patient, stress: 1.0", "4:phases.treatment.for", "only for a phase before day 0"),
        (", stress: 1.0", "", "3:phases.stress.for", "stress is 0 here"),
        ("for: patient", "for: patients", "3:phases.stress.for", "not a number with a unit"),
        ("for: 1 d", "for: 1 d, life_events: 4 per year", "4:phases.treatment.life_events", "true or false"),
    ],
)
def test_a_length_or_events_that_make_no_sense_are_refused_at_their_key(
    tmp_path: Path, old: str, new: str, place: str, told: str
) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(OWN_STRESS.replace(old, new))
    with pytest.raises(InputError, match=told) as caught:
        Treatment(str(path))
    assert str(caught.value).startswith(f"{path}:{place}: ")
    assert len(str(caught.value).splitlines()) == 1


def test_an_infusion_takes_as_long_as_its_drug_s_file_says_unless_told_otherwise(own: Write) -> None:
    for more, over_h in (("", 2 / 3), (", over: 2 h", 2.0)):
        treatment = Treatment(str(own(f"{{drug: ketamine-infusion-like, on_days: [0]{more}}}")))
        drug = treatment.drugs["ketamine-infusion-like"]
        (regimen,) = treatment.file.phases["treatment"].drugs
        assert regimen.doses(0.0, 1.0, drug.usual_over)[0].over_h == pytest.approx(over_h)


def test_a_daily_drug_is_dosed_every_day_of_its_course() -> None:
    regimen = Regimen.model_validate({"drug": "d", "every": "1 d", "for": "1 week"}, by_alias=True)
    doses = regimen.doses(100.0, 2.0)
    assert [dose.time_h for dose in doses] == [100.0 + 24.0 * day for day in range(7)]
    assert {dose.relative_dose for dose in doses} == {2.0}
    assert {dose.interval_h for dose in doses} == {24.0}


def test_named_days_count_from_the_start_of_the_phase() -> None:
    regimen = Regimen.model_validate({"drug": "d", "on_days": [4, 0, 2], "over": "40 min"})
    doses = regimen.doses(50.0, 1.0)
    assert [dose.time_h for dose in doses] == [50.0, 98.0, 146.0]
    assert doses[0].over_h == pytest.approx(2 / 3)
    assert regimen.end_h == pytest.approx(96.0 + 2 / 3)


@given(every_h=st.floats(0.05, 100.0), lasting_h=st.floats(0.1, 2000.0))
def test_every_dose_is_at_its_exact_hour(every_h: float, lasting_h: float) -> None:
    regimen = Regimen.model_validate(
        {"drug": "d", "every": f"{every_h!r} h", "for": f"{lasting_h!r} h"}, by_alias=True
    )
    doses = regimen.doses(0.0, 1.0)
    assert [dose.time_h for dose in doses] == [number * every_h for number in range(len(doses))]
    assert (len(doses) - 1) * every_h < lasting_h <= len(doses) * every_h * (1 + 1e-9)


@pytest.mark.parametrize(("every", "count"), [("0.1 h", 840), ("1.1 h", 764), ("7 h", 12), ("84 h", 1)])
def test_a_course_has_as_many_doses_as_intervals_begin_in_it(every: str, count: int) -> None:
    regimen = Regimen.model_validate(
        {"drug": "d", "every": every, "for": f"{count * float(every[:-2])} h"}, by_alias=True
    )
    assert len(regimen.doses(0.0, 1.0)) == count


@given(weeks=st.integers(1, 12), taper_days=st.integers(1, 60))
def test_a_taper_falls_evenly_and_ends_just_above_nothing(weeks: int, taper_days: int) -> None:
    regimen = Regimen.model_validate(
        {"drug": "d", "every": "1 d", "for": f"{weeks} weeks", "taper_over": f"{taper_days} d"}, by_alias=True
    )
    amounts = np.array([dose.relative_dose for dose in regimen.doses(0.0, 1.0)])
    assert len(amounts) == 7 * weeks + taper_days
    assert np.all(amounts[: 7 * weeks] == 1.0)
    steps = np.diff(amounts[7 * weeks - 1 :])
    np.testing.assert_allclose(steps, -1.0 / (taper_days + 1))
    assert amounts[-1] > 0.0


@pytest.mark.parametrize(
    ("condition", "below", "above"),
    [({"day": 28, "recovery_below": 0.5}, True, False), ({"day": 28, "recovery_at_least": 0.5}, False, True)],
)
def test_a_condition_asks_on_which_side_recovery_is(
    condition: dict[str, float], below: bool, above: bool
) -> None:
    asked = Condition.model_validate(condition)
    assert asked.is_met(0.49) is below
    assert asked.is_met(0.5) is above


FAULTS = {
    "a condition in percent": (
        "{drug: ketamine-like, on_days: [28], when: {day: 28, recovery_below: 50}}",
        "recovery is from 0 .stuck. to 1 .healthy., not 50; 50 % is 0.5",
    ),
    "a day twice": ("{drug: ketamine-like, on_days: [0, 0, 2]}", "day 0 is written twice"),
    "a condition that comes too late": (
        "{drug: ssri-like, every: 1 d, for: 2 weeks, stop_when: {day: 20, recovery_below: 0.5}}",
        "no effect: the last dose is given before day 20",
    ),
    "an interval of nothing": ("{drug: ssri-like, every: 1e-300 h, for: 1 d}", "from 1 min to 100 years"),
    "more doses than can be simulated": (
        "{drug: ssri-like, every: 1 min, for: 12 weeks}",
        "120960 doses: at most 100000",
    ),
    "a dose after the end of its phase": ("{drug: ssri-like, every: 1 d, for: 13 weeks}", "ends on day 84"),
    "an infusion after the end of its phase": ("{drug: ketamine-like, on_days: [0, 85]}", "ends on day 84"),
    "a taper after the end of its phase": (
        "{drug: ssri-like, every: 1 d, for: 12 weeks, taper_over: 1 d}",
        "ends on day 84",
    ),
    "an unknown drug": ("{drug: ssri-lik, every: 1 d, for: 1 weeks}", "did you mean 'ssri-like'"),
    "an unknown key": ("{drug: ssri-like, evry: 1 d, for: 1 weeks}", "did you mean 'every'"),
    "a time without a unit": ("{drug: ssri-like, every: 1, for: 1 weeks}", "without a unit"),
    "a dose with a wrong unit": ("{drug: ssri-like, dose: 20 kg, every: 1 d, for: 1 weeks}", "unit"),
    "a negative dose": ("{drug: ssri-like, dose: -20 mg, every: 1 d, for: 1 weeks}", "must not be negative"),
    "a negative day": ("{drug: ketamine-like, on_days: [-1]}", "negative|greater than"),
    "two schedules": ("{drug: ssri-like, every: 1 d, for: 1 weeks, on_days: [1]}", "either every"),
    "no schedule": ("{drug: ssri-like}", "either every"),
    "a condition that asks nothing": (
        "{drug: ssri-like, every: 1 d, for: 1 weeks, when: {day: 3}}",
        "recovery_below or recovery_at_least",
    ),
    "a condition after its phase": (
        "{drug: ketamine-like, on_days: [1], when: {day: 99, recovery_below: 0.5}}",
        "day 99",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_treatment_that_makes_no_sense_is_refused_at_its_line(fault: str, own: Write) -> None:
    regimens, told = FAULTS[fault]
    path = own(regimens)
    with pytest.raises(InputError, match=told) as caught:
        Treatment(str(path))
    assert str(caught.value).startswith(f"{path}:7:phases.treatment.drugs.0")
    assert len(str(caught.value).splitlines()) == 1


def test_a_drug_for_a_region_that_the_circuit_lacks_is_refused_in_the_drug_file(
    own: Write, tmp_path: Path
) -> None:
    drug = tmp_path / "stimulation.yaml"
    drug.write_text(
        "title: Stimulation\nclass: device\nusual_dose: 1 mg\nactions:\n"
        "  - {target: region.input, mode: drive, region: LHb,\n"
        "     level: {while_taken: {value: 0.1, source: assumed}}}\n"
    )
    path = own("{drug: ./stimulation.yaml, every: 1 d, for: 1 weeks}")
    with pytest.raises(InputError, match=r"stimulation\.yaml:5:.*unknown region 'LHb'"):
        Treatment(str(path))
    path.write_text(
        path.read_text().replace("extends: untreated", "extends: untreated\ncircuit: with-habenula")
    )
    assert "LHb" in Treatment(str(path)).circuit.regions


def test_an_unknown_circuit_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("title: Own\nextends: untreated\ncircuit: defalt\n")
    with pytest.raises(
        InputError, match=r"own\.yaml:3:circuit: unknown circuit 'defalt', did you mean 'default'"
    ):
        Treatment(str(path))


def test_a_loop_of_files_is_refused(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"{name}.yaml").write_text(f"title: {name}\nextends: {other}.yaml\n")
    with pytest.raises(InputError, match="extends"):
        Treatment(str(tmp_path / "a.yaml"))


def test_day_0_is_a_phase(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("title: Own\nextends: untreated\nday_0: treatmnt\n")
    with pytest.raises(InputError, match="did you mean 'treatment'"):
        Treatment(str(path))


def test_an_unknown_name_is_told_with_what_is_known() -> None:
    with pytest.raises(InputError, match="unknown treatment 'ssri-lick', did you mean 'ssri-like'"):
        find("treatments", "ssri-lick")


def test_a_treatment_without_an_end_is_refused() -> None:
    with pytest.raises(ValueError, match="phases"):
        TreatmentFile.model_validate({"title": "t", "phases": {}})


@pytest.fixture(scope="module")
def patient() -> Patient:
    return draw_patient(
        Treatment("untreated").circuit, default_parameters(), None, seed=1, index=0, neurons=0
    )


@pytest.fixture(scope="module")
def stuck(patient: Patient) -> Checkpoint:
    return get_stuck(patient, Treatment("untreated"))


def effects_seen(
    patient: Patient, stuck: Checkpoint, path: Path, days: list[float]
) -> tuple[list[float], list[float]]:
    """SERT occupancy and AMPA potentiation that act on the given days of a life."""
    life = Life(patient, Treatment(str(path)), stuck, Accuracy(slow=1e-3))
    occupancies, potentiations = [], []
    for day in days:
        life.advance(stuck.time_h + 24.0 * day)
        effects, _ = life.exposure.at(life.time_h)
        occupancies.append(effects.sert_occupancy)
        potentiations.append(effects.ampa)
    return occupancies, potentiations


def test_a_condition_starts_a_second_drug_only_in_those_it_holds_for(
    own: Write, patient: Patient, stuck: Checkpoint
) -> None:
    added = "{{drug: ketamine-like, on_days: [28], when: {{day: 28, recovery_{}: 0.5}}}}"
    daily = "{drug: ssri-like, every: 1 d, for: 12 weeks}\n"
    days = [27.0, 28.05]
    unresponsive = effects_seen(patient, stuck, own(daily + added.format("below"), "a"), days)
    responsive = effects_seen(patient, stuck, own(daily + added.format("at_least"), "b"), days)
    assert unresponsive[1][0] == 0.0 < unresponsive[1][1]
    assert responsive[1] == [0.0, 0.0]
    assert unresponsive[0] == pytest.approx(responsive[0])


def test_a_condition_stops_a_drug_only_in_those_it_holds_for(
    own: Write, patient: Patient, stuck: Checkpoint
) -> None:
    daily = "{{drug: tianeptine-like, every: 1 d, for: 12 weeks, stop_when: {{day: 42, recovery_{}: 0.1}}}}"
    days = [41.0, 43.0]
    recovered = effects_seen(patient, stuck, own(daily.format("at_least"), "a"), days)
    not_recovered = effects_seen(patient, stuck, own(daily.format("below"), "b"), days)
    assert recovered[1][0] > 0.0 == recovered[1][1]
    assert not_recovered[1][0] == pytest.approx(not_recovered[1][1])
    assert not_recovered[1][0] > 0.0


def test_a_switch_ends_one_drug_and_starts_another(own: Write, patient: Patient, stuck: Checkpoint) -> None:
    path = own(
        "{drug: ssri-like, every: 1 d, for: 4 weeks}\n"
        "{drug: tianeptine-like, every: 1 d, from: 4 weeks, for: 8 weeks}"
    )
    occupancies, potentiations = effects_seen(patient, stuck, path, [27.0, 29.0, 60.0])
    assert occupancies[0] > 0.79 > occupancies[1] > occupancies[2]
    assert potentiations[0] == 0.0 < potentiations[1] < potentiations[2]


def test_two_drugs_at_one_site_each_block_a_share_of_what_the_other_leaves(
    own: Write, patient: Patient, stuck: Checkpoint
) -> None:
    daily = "{{drug: {}, every: 1 d, for: 12 weeks}}\n"
    first, second, both = (
        effects_seen(patient, stuck, own("".join(daily.format(drug) for drug in drugs), drugs[-1]), [30.0])[
            0
        ][0]
        for drugs in (["ssri-like"], ["escitalopram-like"], ["ssri-like", "escitalopram-like"])
    )
    assert both == pytest.approx(1 - (1 - first) * (1 - second))


def noted(path: Path) -> list[str]:
    treatment = Treatment(str(path))
    return list(dosing_notes(treatment.file, treatment.drugs))


@pytest.mark.parametrize(
    ("regimen", "note"),
    [
        (
            "{drug: escitalopram-like, dose: 10 g, every: 1 d, for: 12 weeks}",
            "escitalopram-like, 10 g every 24 h: 1000 times the usual dose of 10 mg",
        ),
        (
            "{drug: ketamine-like, dose: 35 mg/kg, on_days: [0]}",
            "ketamine-like, 35 mg/kg: 70 times the usual dose of 0.5 mg/kg",
        ),
        (
            "{drug: escitalopram-like, every: 1 h, for: 12 weeks}",
            "escitalopram-like, 10 mg every 1 h: 24 times the usual dose of 10 mg",
        ),
    ],
)
def test_more_than_ten_usual_doses_are_noted_with_the_factor(own: Write, regimen: str, note: str) -> None:
    assert noted(own(regimen)) == [note]
    assert note in Treatment(str(own(regimen))).notes


def test_ten_usual_doses_are_not_noted(own: Write) -> None:
    assert noted(own("{drug: escitalopram-like, dose: 100 mg, every: 1 d, for: 12 weeks}")) == []


def test_courses_of_one_drug_that_overlap_are_noted_with_the_days(own: Write) -> None:
    first = "{drug: escitalopram-like, every: 1 d, for: 56 d}\n"
    overlap = own(first + "{drug: escitalopram-like, dose: 20 mg, every: 1 d, from: 28 d, for: 28 d}")
    assert noted(overlap) == [
        "escitalopram-like: its courses overlap from day 28 to day 56 of phase treatment; their doses add up"
    ]
    after = "{drug: escitalopram-like, dose: 20 mg, every: 1 d, from: 56 d, for: 28 d}"
    assert noted(own(first + after)) == []


@pytest.mark.parametrize("name", shipped("treatments"))
def test_no_shipped_treatment_has_a_note_on_its_doses(name: str) -> None:
    treatment = Treatment(name)
    assert list(dosing_notes(treatment.file, treatment.drugs)) == []


def test_a_treatment_named_like_its_drug_gets_the_drug_that_is_meant(own: Write) -> None:
    path = own("{drug: fluoxetine, every: 1 d, for: 12 weeks}", "fluoxetine")
    with pytest.raises(InputError, match="unknown drug 'fluoxetine', did you mean 'fluoxetine-like'"):
        Treatment(str(path))


def test_a_description_is_not_taken_over_from_the_extended_file(own: Write) -> None:
    assert Treatment("untreated").file.description
    assert Treatment(str(own("{drug: ssri-like, every: 1 d, for: 12 weeks}"))).file.description == ""


@pytest.mark.parametrize("parent", ["/etc/passwd", "../secret.txt", "[a, b]"])
def test_only_a_yaml_file_can_be_extended_and_no_content_is_shown(tmp_path: Path, parent: str) -> None:
    (tmp_path / "own.yaml").write_text(f"title: Own\nextends: {parent}\n")
    with pytest.raises(InputError, match=r"own\.yaml:2:extends: ") as caught:
        Treatment(str(tmp_path / "own.yaml"))
    assert ":0:0:" not in str(caught.value)


def test_phases_longer_than_a_century_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "title: Own\nextends: untreated\nphases: {treatment: {for: 60 years}, wash-out: {for: 60 years}}\n"
    )
    with pytest.raises(InputError, match="all phases last 120 years: at most 100 years"):
        Treatment(str(path))
    path.write_text("title: Own\nextends: untreated\nfollow_up: 3120 weeks\n")
    assert Treatment(str(path)).file.follow_up == 3120 * 168.0


def test_a_drug_or_a_study_in_the_place_of_a_treatment_is_named_as_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    for key, kind in (("actions", "drug"), ("treatments", "study"), ("arms", "trial")):
        path.write_text(f"title: Mine\nclass: Own\n{key}: []\n")
        with pytest.raises(InputError) as refused:
            Treatment(str(path))
        assert str(refused.value) == f"{path}:3:{key}: this is a {kind} file; a treatment file is needed here"
