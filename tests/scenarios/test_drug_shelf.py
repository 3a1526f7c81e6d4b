"""Every shipped drug and treatment: sourced numbers, published kinetics, and physics that must hold."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from protocols import Held
from unstuck.circuit import Circuit, healthy_state
from unstuck.drugs.effects import Contribution, Course, steady_h, usual_course
from unstuck.drugs.exposure import PatientExposure
from unstuck.engine.readouts import connectivities
from unstuck.engine.step import Accuracy, Engine
from unstuck.errors import InputError
from unstuck.files.drug import DrugFile
from unstuck.files.find import find, read, shipped
from unstuck.files.schedule import Dose
from unstuck.files.treatment import Regimen, Treatment
from unstuck.files.units import HOURS_A_DAY
from unstuck.parameters import default_parameters
from unstuck.patient.draw import Patient, draw_patient
from unstuck.patient.life import Checkpoint, PatientRun, get_stuck, run_treatment
from unstuck.state import Floats, State
from unstuck.targets import NO_EFFECT, Effects, combine

DRUGS = {name: read("drugs", name, DrugFile)[0] for name in shipped("drugs")}
PARAMETERS = default_parameters()
SERT_BLOCKERS = [
    name
    for name, drug in DRUGS.items()
    if any(action.target == "sert.occupancy" for action in drug.actions) and name != "sert-knock-out"
]
ORIGIN = re.compile(
    r"assumed|derived|fitted|definition|formula|single site|label|model code|encyclopaedia"
    r"|PMID \d|PMC\d|10\.\d{4}|\b(19|20)\d\d\b"
)
TOLD = {"value", "effect", "occupancy", "spread", "doses"}  # keys whose record has a source
every_drug = pytest.mark.parametrize("name", DRUGS)


@pytest.fixture(scope="module")
def patient() -> Patient:
    """A typical patient as a mean-field circuit."""
    return draw_patient(Treatment("untreated").circuit, PARAMETERS, None, seed=1, index=0, neurons=0)


@pytest.fixture(scope="module")
def stuck(patient: Patient) -> Checkpoint:
    """Where treatments start."""
    return get_stuck(patient, Treatment("untreated"))


def sizes(course: Course, times_h: Floats) -> list[Floats]:
    """Sizes of a course's effects: what multiplies counts from 1."""
    parts = course.contributions(PARAMETERS)
    return [np.abs(part.at(times_h) - part.mode.nothing) for part in parts]


def joint(course: Course, field: str, times_h: Floats) -> Floats:
    """Joint effect of a course on one field."""
    parts = [part for part in course.contributions(PARAMETERS) if part.mode.field == field]
    values = zip(*(part.at(times_h) for part in parts), strict=True)
    return np.array([combine(parts[0].mode.law, moment) for moment in values])


USUAL = {"usual_dose", "usual_every", "usual_over"}


def numbers_without_origin(content: Any, key: tuple[str, ...] = ()) -> Iterator[str]:
    """Keys of numbers whose record says neither where they come from nor that they are assumed."""
    if isinstance(content, dict):
        if {"value", "effect", "occupancy"} & content.keys() and not ORIGIN.search(content.get("source", "")):
            yield ".".join(key)
        if USUAL & content.keys() and not ORIGIN.search(content.get("usual_source", "")):
            yield "usual_source"
        for name, inner in content.items():
            yield from numbers_without_origin(inner, (*key, name))
    elif isinstance(content, list):
        for number, inner in enumerate(content):
            yield from numbers_without_origin(inner, (*key, str(number)))
    elif isinstance(content, int | float) and key[-1] not in {
        "value",
        "effect",
        "occupancy",
        "spread",
        "doses",
    }:
        yield ".".join(key)


@every_drug
def test_every_number_of_a_drug_says_where_it_comes_from(name: str) -> None:
    content = yaml.safe_load(find("drugs", name).read_text())
    told = {key: content.get(key) for key in ("kinetics", "actions", *USUAL & content.keys(), "usual_source")}
    if told["usual_source"] is None:
        del told["usual_source"]
    assert list(numbers_without_origin(told)) == []


def test_a_number_without_a_source_is_found() -> None:
    kinetics = {"half_life": {"value": "3 h", "source": "somewhere"}, "fraction": 0.3}
    assert list(numbers_without_origin({"kinetics": kinetics})) == ["kinetics.half_life", "kinetics.fraction"]
    usual = {"usual_dose": "3 mg", "usual_source": "somewhere"}
    assert list(numbers_without_origin(usual)) == ["usual_source"]


@every_drug
def test_no_dose_has_no_effect(name: str) -> None:
    drug = DRUGS[name]
    assert Course(drug, ()).contributions(PARAMETERS) == []
    before = sizes(usual_course(drug), np.array([-5.0, -1e-6]))
    nothing = sizes(Course(drug, (Dose(0.0, 0.0), Dose(24.0, 0.0))), np.linspace(0.0, 100.0, 50))
    assert all(np.all(size == 0.0) for size in [*before, *nothing])


@pytest.mark.parametrize("times_the_usual", [1.0, 10.0, 1000.0])
@every_drug
def test_occupancy_never_exceeds_one(name: str, times_the_usual: float) -> None:
    doses = tuple(Dose(12.0 * k, times_the_usual, 0.0, 12.0) for k in range(60))
    for part in Course(DRUGS[name], doses).contributions(PARAMETERS):
        if part.mode.highest <= 1.0 and part.mode.law != "add":
            assert np.all(part.at(np.linspace(0.0, 900.0, 3000)) <= 1.0)


@every_drug
def test_a_second_or_a_larger_dose_never_lowers_an_effect(name: str) -> None:
    times_h = np.linspace(0.0, 240.0, 2000)
    one, two, large = (
        sizes(Course(DRUGS[name], doses), times_h)
        for doses in ((Dose(0, 1),), (Dose(0, 1), Dose(30, 1)), (Dose(0, 3),))
    )
    for first, second, larger in zip(one, two, large, strict=True):
        assert np.all(second >= first - 1e-12)
        assert np.all(larger >= first - 1e-12)


UNEQUAL = (Dose(0.0, 1.0), Dose(6.0, 0.25), Dose(12.0, 0.5))


@pytest.mark.parametrize("single", [True, False])
@every_drug
def test_a_smaller_dose_after_a_larger_one_never_lowers_an_effect(name: str, single: bool) -> None:
    times_h, doses = np.linspace(0.0, 240.0, 2001), [replace(dose, single=single) for dose in UNEQUAL]
    courses = [sizes(Course(DRUGS[name], tuple(doses[:count])), times_h) for count in (1, 2, 3)]
    for fewer, more in pairwise(courses):
        assert all(np.all(after >= before - 1e-12) for before, after in zip(fewer, more, strict=True))
    assert all(
        np.any(more > first + 1e-6) or first.max() == 1.0
        for first, more in zip(courses[0], courses[2], strict=True)
    )


@every_drug
def test_a_second_course_beside_the_usual_one_never_lowers_an_effect(name: str) -> None:
    usual = usual_course(DRUGS[name], 14 * HOURS_A_DAY)
    beside = [replace(dose, relative_dose=0.25) for dose in usual.doses]
    both = Course(DRUGS[name], tuple(sorted([*usual.doses, *beside], key=lambda dose: dose.time_h)))
    times_h = np.linspace(0.0, 500.0, 2001)
    for alone, more in zip(sizes(usual, times_h), sizes(both, times_h), strict=True):
        assert np.all(more >= alone - 1e-12)


def test_a_small_dose_beside_an_ssri_does_not_abolish_it(
    patient: Patient, stuck: Checkpoint, tmp_path: Path
) -> None:
    recoveries = []
    for name, doses in (("alone", ("20 mg",)), ("both", ("20 mg", "5 mg"))):
        drugs = [{"drug": "ssri-like", "dose": dose, "every": "1 d", "for": "12 weeks"} for dose in doses]
        path = tmp_path / f"{name}.yaml"
        phases = {"treatment": {"drugs": drugs}}
        path.write_text(yaml.safe_dump({"title": name, "extends": "untreated", "phases": phases}))
        recoveries.append(
            recovery_on_day(84, run_treatment(patient, Treatment(str(path)), stuck, functional_days=()))
        )
    assert recoveries[1] >= recoveries[0] > 0.6


def recovery_on_day(day: float, run: PatientRun) -> float:
    """The recovery index on a day."""
    reading = min(run.readings, key=lambda reading: abs(reading.day - day))
    return run.recovery(reading.connectivity)


@pytest.mark.parametrize(("regimen", "size"), [("8 h", "12.5 mg"), ("1 d", "37.5 mg"), ("12 h", "18.75 mg")])
def test_tianeptine_by_its_label_is_the_constant_effect(regimen: str, size: str) -> None:
    drug = DRUGS["tianeptine-like"]
    given = Regimen.model_validate_json(
        json.dumps({"drug": "it", "dose": size, "every": regimen, "for": "12 weeks"})
    )
    doses = given.doses(0.0, drug.relative_dose(given.dose, 70.0))
    for part, held in zip(
        Course(drug, tuple(doses)).contributions(PARAMETERS),
        usual_course(drug, 84 * HOURS_A_DAY).contributions(PARAMETERS),
        strict=True,
    ):
        times_h = np.linspace(-1.0, 85 * HOURS_A_DAY, 4001)
        np.testing.assert_allclose(part.at(times_h), held.at(times_h), atol=1e-12)


def settled_under(circuit: Circuit, effects: Effects) -> State:
    """The healthy circuit with firing settled under effects."""
    calm = np.zeros(len(circuit.regions))
    return Engine(circuit, healthy_state(circuit)).settled(effects, calm)


@pytest.mark.parametrize(
    ("agonist", "antagonist"),
    [
        ("agonist_5ht1a", "antagonist_5ht1a"),
        ("agonist_5ht1b", "antagonist_5ht1b"),
        ("trkb_drive", "trkb_block"),
        ("trkb_facilitation", "trkb_block"),
    ],
)
def test_an_antagonist_at_full_occupancy_cancels_its_agonist(
    patient: Patient, agonist: str, antagonist: str
) -> None:
    states = []
    for given in ({antagonist: 1.0}, {antagonist: 1.0, agonist: 0.3}, {agonist: 0.3}):
        engine = Engine(patient.circuit)
        engine.advance(Held(len(patient.circuit.regions), NO_EFFECT._replace(**given)), 24.0)
        states.append(engine.state.y)
    alone, both, agonist_alone = states
    assert np.allclose(both, alone, atol=1e-6)
    assert not np.allclose(agonist_alone, alone, atol=1e-3)


@pytest.mark.parametrize("name", SERT_BLOCKERS)
def test_without_a_transporter_an_ssri_changes_no_serotonin(patient: Patient, name: str) -> None:
    drug = DRUGS[name]
    course = usual_course(drug, steady_h(drug, PARAMETERS))
    occupied = joint(course, "sert_occupancy", np.array([course.doses[-1].time_h + 6.0]))[0]
    knocked_out, treated, blocked = (
        settled_under(patient.circuit, NO_EFFECT._replace(sert_occupancy=share)).monoamine_nM
        for share in (1.0, combine("together", [1.0, occupied]), occupied)
    )
    assert np.allclose(treated, knocked_out, rtol=0.02)
    assert not np.allclose(blocked, knocked_out, rtol=0.02)


# What leaves a target nothing to do.
KNOCKED_OUT: dict[str, dict[str, float]] = {
    "sert.occupancy": {"sert_occupancy": 1.0},
    "sert.vmax": {"sert_occupancy": 1.0},
    "nmda.interneuron": {"nmda_block_interneuron": 1.0},
    "nmda.pyramidal": {"nmda_block_principal": 1.0},
    "receptor.5ht1a": {"antagonist_5ht1a": 1.0},
    "receptor.5ht1b": {"antagonist_5ht1b": 1.0},
    "serotonin.release": {"release_gain": 0.0},
    "bdnf.synthesis": {"bdnf_gain": 0.0},
    "trkb.drive": {"trkb_block": 1.0},
    "trkb.facilitation": {"trkb_block": 1.0},
    "trkb.block": {"trkb_block": 1.0},
    "gaba.gain": {"gaba_gain": 0.0},
}
NOTHING: dict[str, float] = {}
# What an action needs beside it to do anything in health.
NEEDED_TO_ACT = {"sert_follows_trkb": {"trkb_drive": 1.0}}
ACTIONS = [
    pytest.param(name, number, id=f"{name}: {action.target} {action.mode} {number}")
    for name, drug in DRUGS.items()
    for number, action in enumerate(drug.actions)
    # A drive of a region has no receptor; AMPA block and gain add up, so that neither silences the other.
    # Only other circuits than the default one have heteroreceptors and noradrenaline.
    if action.target not in ("region.input", "ampa", "receptor.heteroreceptor", "net.occupancy")
]


def strongest(name: str, number: int) -> tuple[str, float]:
    """Field and value of one action at the strongest moment of a usual course."""
    drug = DRUGS[name]
    course = usual_course(drug, 14 * HOURS_A_DAY)
    times_h = np.linspace(0.0, course.doses[-1].time_h + HOURS_A_DAY, 4001)
    part = course.contributions(PARAMETERS)[number]
    values = part.at(times_h)
    return part.mode.field, float(values[np.abs(values - part.mode.nothing).argmax()])


@pytest.mark.parametrize(("name", "number"), ACTIONS)
def test_a_drug_whose_target_is_knocked_out_is_silent(patient: Patient, name: str, number: int) -> None:
    action, (field, value) = DRUGS[name].actions[number], strongest(name, number)
    knocked_out = KNOCKED_OUT[action.target]
    together = [knocked_out[field], value] if field in knocked_out else [value]
    with_drug = {**knocked_out, field: combine(action.meaning.law, together)}
    beside = NEEDED_TO_ACT.get(field, {})
    gone, drugged, alone, none = (
        state_after_a_day(patient.circuit, {**beside, **given})
        for given in (knocked_out, with_drug, {field: value}, NOTHING)
    )
    assert np.allclose(drugged, gone, atol=1e-6)
    assert not np.allclose(alone, none, atol=1e-5)


def state_after_a_day(circuit: Circuit, given: dict[str, float]) -> Floats:
    """Slow state and serotonin after a day under effects; not the transporter's factor itself."""
    engine = Engine(circuit, accuracy=Accuracy(slow=1e-3, firing=1e-10))
    engine.advance(Held(len(circuit.regions), NO_EFFECT._replace(**given)), 24.0)
    state = engine.settled(NO_EFFECT._replace(**given), np.zeros(len(circuit.regions)))
    state.slow.sert_vmax_following[:] = 1.0
    return np.concatenate([state.y, state.monoamine_nM / PARAMETERS["S0"]])


def test_an_ssri_adds_its_facilitation_alone_where_the_transporter_is_knocked_out_on_day_0(
    patient: Patient, stuck: Checkpoint
) -> None:
    names = ("sert-knock-out-day-0", "sert-knock-out-day-0-ssri")
    gone, treated = (run_treatment(patient, Treatment(name), stuck) for name in names)
    first, last = (
        [next(r for r in run.readings if r.day == day) for run in (gone, treated)] for day in (0.0, 83.0)
    )
    np.testing.assert_allclose(first[1].serotonin_ratio, first[0].serotonin_ratio, rtol=1e-9)
    added = treated.recovery(last[1].connectivity) - gone.recovery(last[0].connectivity)
    ssri = recovery_on_day(83, run_treatment(patient, Treatment("ssri-like"), stuck, functional_days=()))
    assert 0.0 < added < 0.5 * ssri


def test_a_drug_without_a_serotonergic_action_equals_no_treatment(
    patient: Patient, stuck: Checkpoint
) -> None:
    run, untreated = (
        run_treatment(patient, Treatment(name), stuck) for name in ("amineptine-like", "untreated")
    )
    assert [r.connectivity for r in run.readings] == [r.connectivity for r in untreated.readings]


def daily_mean(name: str, field: str) -> float:
    """Mean effect (change from none) over a dosing interval at the steady state of a usual course."""
    drug = DRUGS[name]
    course = usual_course(drug, steady_h(drug, PARAMETERS))
    lasting_h = drug.usual_every or HOURS_A_DAY
    times_h = course.doses[-1].time_h + (np.arange(2000) + 0.5) * lasting_h / 2000
    parts = [p for p in course.contributions(PARAMETERS) if p.mode.field == field]
    return float(joint(course, field, times_h).mean()) - parts[0].mode.nothing


@pytest.mark.parametrize(
    ("compound", "class_drug", "field"),
    [
        ("tianeptine-oral-both", "tianeptine-like", "ampa"),
        ("tianeptine-oral-both", "tianeptine-like", "sert_vmax_factor"),
        ("tianeptine-oral-ampa", "tianeptine-ampa-only", "ampa"),
        ("tianeptine-oral-sert", "tianeptine-sert-only", "sert_vmax_factor"),
        ("tianeptine-oral-downstream", "tianeptine-ampa-only", "ampa"),
    ],
)
def test_a_compound_averages_its_class_drug(compound: str, class_drug: str, field: str) -> None:
    held = usual_course(DRUGS[class_drug], 2_000.0)
    given = next(p for p in held.contributions(PARAMETERS) if p.mode.field == field).at(np.array([1999.0]))[0]
    wanted = given - 1.0 if field == "sert_vmax_factor" else given
    assert daily_mean(compound, field) == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize(
    ("compound", "class_drug", "field"), [("ketamine-infusion-like", "ketamine-like", "ampa")]
)
def test_one_dose_of_a_compound_has_the_area_of_its_class_drug(
    compound: str, class_drug: str, field: str
) -> None:
    times_h = np.linspace(0.0, 300.0, 300_001)
    areas = [
        np.trapezoid(joint(usual_course(DRUGS[n]), field, times_h), times_h) for n in (compound, class_drug)
    ]
    assert areas[0] == pytest.approx(areas[1], rel=2e-3)


@pytest.mark.parametrize("name", [name for name in SERT_BLOCKERS if DRUGS[name].kinetics])
def test_a_reuptake_inhibitor_facilitates_trkb_as_its_class_drug_does(name: str) -> None:
    assert daily_mean(name, "trkb_facilitation") == pytest.approx(PARAMETERS["eT"], rel=1e-3)


@pytest.mark.parametrize(
    "name", ["fluoxetine-like", "sertraline-like", "escitalopram-like", "venlafaxine-like"]
)
def test_the_least_therapeutic_dose_occupies_four_of_five_transporters(name: str) -> None:
    assert daily_mean(name, "sert_occupancy") == pytest.approx(0.80, abs=0.02)


def resolved(contribution: Contribution, doses_h: tuple[float, ...]) -> Contribution:
    """The same contribution, seen at the moment, with a step that ends on every dose."""
    law = replace(contribution.law, averaged_h=0.0, edges_h=doses_h)  # pyright: ignore
    return replace(contribution, law=law)


@pytest.mark.parametrize("name", ["tianeptine-oral-both", "tianeptine-oral-ampa"])
def test_three_doses_a_day_are_averaged_within_a_hundredth_of_recovery(
    patient: Patient, stuck: Checkpoint, name: str
) -> None:
    checkpoint = stuck
    doses = tuple(Dose(checkpoint.time_h + 8.0 * k, 1.0, 0.0, 8.0) for k in range(3 * 28))
    seen = Course(DRUGS[name], doses).contributions(PARAMETERS)
    every_dose = [resolved(part, tuple(dose.time_h for dose in doses)) for part in seen]
    courses = []
    for parts, accuracy in ((seen, Accuracy()), (every_dose, Accuracy(slow=1e-3, longest_step_h=2.0))):
        end_h = checkpoint.time_h + 28 * HOURS_A_DAY
        exposure = PatientExposure(patient.circuit.regions, [], parts, np.zeros((0, 5)), end_h)
        engine, found = Engine(patient.circuit, checkpoint.state, checkpoint.time_h, accuracy), []
        engine.advance(
            exposure,
            end_h,
            output_h=[checkpoint.time_h + 24.0 * day for day in range(1, 29)],
            on_output=lambda _, states, c=found: c.extend(connectivities(patient.circuit, states)[0]),
        )
        courses.append(
            (np.array(found) - checkpoint.stuck.connectivity) / (1 - checkpoint.stuck.connectivity)
        )
    assert courses[1][-1] > 0.2
    assert np.max(np.abs(np.subtract(*courses))) < 0.01


def test_three_doses_a_day_cost_at_most_twice_a_constant_drug(patient: Patient, stuck: Checkpoint) -> None:
    sweeps = [
        run_treatment(patient, Treatment(name), stuck).diagnostics.sweeps
        for name in ("tianeptine-oral-both", "tianeptine-like")
    ]
    assert sweeps[0] <= 2 * sweeps[1]


SWINGING = [name for name, drug in DRUGS.items() if drug.kinetics]


@pytest.mark.parametrize("interval_h", [8.0, 24.0])
@pytest.mark.parametrize("name", SWINGING)
def test_both_ends_of_a_swing_are_effects_that_occur(name: str, interval_h: float) -> None:
    doses = tuple(Dose(interval_h * k, 4.0, DRUGS[name].usual_over, interval_h) for k in range(30))
    parts = Course(DRUGS[name], doses).contributions(PARAMETERS)
    exposure = PatientExposure(["mPFC"], [], parts, np.zeros((0, 1)), 600.0)
    for hour in np.linspace(1.0, 600.0, 300):
        swing = exposure.swing(float(hour))
        if swing is None:
            continue
        share, *ends = swing
        fields = [part.mode.field for part in parts]
        for field in set(fields):
            seen = [getattr(effects, field) for effects, _ in ends]
            assert all(0.0 <= value <= 1.0 for value in seen) or parts[fields.index(field)].mode.highest > 1.0
            if fields.count(field) > 1:  # two compounds are taken to swing together, which they need not do
                continue
            window_h = np.linspace(hour - interval_h / 2, hour + interval_h / 2, 400)
            possible = joint(Course(DRUGS[name], doses), field, window_h)
            margin = 0.02 * np.ptp(possible) + 1e-9  # the table's cells are a 32nd of the window
            assert possible.min() - margin <= min(seen)
            assert max(seen) <= possible.max() + margin
        assert 0.0 < share < 1.0


def test_the_ends_of_a_swing_have_its_mean_spread_and_skewness() -> None:
    doses = tuple(Dose(24.0 * k, 1.0, 0.0, 24.0) for k in range(10))
    (part,) = (
        p for p in Course(DRUGS["ketamine-like"], doses).contributions(PARAMETERS) if p.mode.field == "ampa"
    )
    exposure = PatientExposure(["mPFC"], [], [part], np.zeros((0, 1)), 240.0)
    swing = exposure.swing(120.0)
    assert swing is not None
    share, above, below = swing[0], swing[1][0].ampa, swing[2][0].ampa
    seen = part.at(np.linspace(108.0, 132.0, 24_000, endpoint=False) + 5e-4)
    for power in (1, 2, 3):
        assert share * above**power + (1 - share) * below**power == pytest.approx(
            (seen**power).mean(), rel=0.01
        )


def test_frequent_doses_after_a_gap_begin_a_new_step() -> None:
    doses = tuple(Dose(hour, 1.0, 0.0, 8.0) for hour in (0.0, 8.0, 16.0, 200.0, 208.0))
    part = Course(DRUGS["tianeptine-oral-ampa"], doses).contributions(PARAMETERS)[0]
    assert part.law.averaged_h == 8.0
    assert part.law.edges_h == (0.0, 24.0, 200.0, 216.0)


@pytest.mark.parametrize("name", shipped("treatments"))
def test_every_treatment_can_be_prescribed(name: str) -> None:
    treatment = Treatment(name)
    assert treatment.file.title
    assert name in {"untreated"} or treatment.drugs


def test_what_lies_outside_the_model_is_noted_whenever_it_is_used() -> None:
    assert any("noradrenaline" in note for note in Treatment("venlafaxine-like").notes)
    assert any("dopamine" in note for note in Treatment("amineptine-like").notes)


GOOD = """
title: A drug
class: SSRI
usual_dose: 20 mg
kinetics:
  route: oral
  absorption_half_life: {value: 1 h, source: assumed}
  half_life: {value: 20 h, source: assumed}
  dose_concentration: {value: 30 nM, source: assumed}
  metabolites:
    child:
      fraction: {value: 1.0, source: assumed}
      half_life: {value: 40 h, source: assumed}
      dose_concentration: {value: 9 nM, source: assumed}
actions:
  - target: sert.occupancy
    mode: block
    of: child
    hill: {half_effect: {value: 10 nM, source: assumed}, exponent: {value: 1, source: assumed}}
"""


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("sert.occupancy", "sert.ocupancy", "actions.0.target", "did you mean 'sert.occupancy'"),
        ("mode: block", "mode: blok", "actions.0.mode", "did you mean 'block'"),
        ("half_effect: {value: 10 nM, source: assumed}, ", "", "half_effect", "missing"),
        ("value: 20 h", "value: -20 h", "kinetics.half_life.value", "must be more than zero"),
        ("value: 10 nM", "value: 0 nM", "actions.0.hill.half_effect.value", "more than zero"),
        ("exponent: {value: 1,", "exponent: {value: -1,", "actions.0.hill.exponent.value", "more than 0"),
        ("value: 10 nM", "value: 10 ng/mL", "actions.0.hill.half_effect.value", "molar mass"),
        ("of: child", "of: chlid", "actions.0.of", "did you mean 'child'"),
        ("child:\n", "child:\n      of: nobody\n", "metabolites.child.of", "known: parent, child"),
        ("child:\n", "child:\n      of: child\n", "metabolites.child.of", "come from each other"),
        (
            "source: assumed}}\n",
            "source: assumed}, maximum: {value: 1.2, source: assumed}}\n",
            "maximum",
            "from 0 to 1",
        ),
        ("value: 30 nM, source: assumed", "value: 30 nM", "kinetics.dose_concentration.source", "missing"),
    ],
)
def test_a_fault_in_a_drug_file_is_told_at_its_place(
    tmp_path: Any, old: str, new: str, place: str, message: str
) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(GOOD)
    read("drugs", str(path), DrugFile)
    head, found, tail = GOOD.rpartition(old)
    assert found
    path.write_text(head + new + tail)
    with pytest.raises(InputError) as fault:
        read("drugs", str(path), DrugFile)
    assert re.search(rf"own\.yaml:\d+:\S*{re.escape(place)}", str(fault.value))
    assert message in str(fault.value)


def test_two_actions_of_one_compound_on_one_target_contradict_each_other(tmp_path: Any) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(GOOD + GOOD[GOOD.index("  - target") :])
    with pytest.raises(InputError, match=r"own\.yaml:20:actions\.1\.target: .*contradict"):
        read("drugs", str(path), DrugFile)
