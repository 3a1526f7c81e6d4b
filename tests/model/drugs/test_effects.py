"""What a course of a drug does over time follows from its file: laws, doses, tapers, exposure."""

from collections.abc import Callable
from math import exp, inf, log
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unstuck.drugs.effects import GONE, TYPICAL, Contribution, Course, Response
from unstuck.errors import InputError
from unstuck.files.drug import DrugFile
from unstuck.files.find import read, shipped
from unstuck.files.schedule import Dose
from unstuck.files.yaml import read_document
from unstuck.parameters import ParameterSet, default_parameters
from unstuck.state import Floats

Write = Callable[[str], DrugFile]

HEAD = "title: A drug\nclass: test\nusual_dose: 10 mg\n"
LEVEL = HEAD + (
    "actions: [{{target: {target}, mode: {mode},"
    " level: {{while_taken: {{value: {value}, source: assumed}}{more}}}}}]\n"
)
RISE_AND_FALL = ", rise_tau: {value: 24 h, source: assumed}, fall_half_life: {value: 30 h, source: assumed}"
PULSE = HEAD + (
    "actions: [{{target: {target}, mode: {mode}, pulse: {{after_dose: {{value: {value}, source: assumed}},"
    " half_life: {{value: 6 h, source: assumed}}}}}}]\n"
)
COMPOUND = (
    HEAD
    + """
kinetics:
  route: bolus
  half_life: {value: 3 h, source: assumed}
  dose_concentration: {value: 780 nM, source: assumed}
actions:
  - target: nmda.interneuron
    mode: block
    hill: {half_effect: {value: 0.5 uM, source: assumed}, exponent: {value: 1.4, source: assumed}}
"""
)


@pytest.fixture
def drug(tmp_path: Path) -> Write:
    def write(text: str) -> DrugFile:
        path = tmp_path / "drug.yaml"
        path.write_text(text)
        return read_document(path, DrugFile)

    return write


def occupancy(value: float, more: str = "") -> str:
    return LEVEL.format(target="sert.occupancy", mode="block", value=value, more=more)


def only(
    drug: DrugFile,
    doses: list[Dose],
    patient: Response = TYPICAL,
    parameters: ParameterSet | None = None,
) -> Contribution:
    (contribution,) = Course(drug, tuple(doses)).contributions(parameters or default_parameters(), patient)
    return contribution


def daily(days: int, relative_dose: float = 1.0) -> list[Dose]:
    return [Dose(24.0 * day, relative_dose, interval_h=24.0) for day in range(days)]


def values(contribution: Contribution, *hours: float) -> Floats:
    return contribution.at(np.array(hours))


@pytest.mark.parametrize("name", shipped("drugs"))
def test_every_shipped_drug_acts_and_is_gone_in_the_end(name: str) -> None:
    file, _ = read("drugs", name, DrugFile)
    interval_h = file.usual_every or 24.0
    doses = tuple(Dose(interval_h * k, 1.0, file.usual_over, interval_h) for k in range(3))
    contributions = Course(file, doses).contributions(default_parameters())
    assert len(contributions) == len(file.actions)
    for contribution in contributions:
        times_h = np.arange(-24.0, 200.0, 0.5)
        course = contribution.at(times_h)
        off = contribution.mode.nothing
        assert np.all(np.isfinite(course))
        assert np.all(course[times_h < 0.0] == off)
        assert np.any(course != off)
        assert contribution.gone_h() > doses[-1].time_h


def test_the_odds_of_a_share_rise_with_a_time_constant_and_fall_with_a_half_life(drug: Write) -> None:
    effect = only(drug(occupancy(0.8, RISE_AND_FALL)), daily(14))
    hours = np.array([0.0, 1.0, 24.0, 100.0])
    odds = 4.0 * (1 - np.exp(-hours / 24.0))
    np.testing.assert_allclose(effect.at(hours), odds / (1 + odds))
    odds = 4.0 * (1 - exp(-14.0)) * np.array([1.0, 0.5, 0.25])
    np.testing.assert_allclose(values(effect, 336.0, 366.0, 396.0), odds / (1 + odds))
    assert effect.law.edges_h == (0.0, 336.0)


def test_a_level_without_rise_or_fall_is_a_step(drug: Write) -> None:
    effect = only(drug(LEVEL.format(target="ampa", mode="potentiate", value=0.2, more="")), daily(3))
    np.testing.assert_allclose(values(effect, -1.0, 0.0, 71.9, 72.0, 100.0), [0.0, 0.2, 0.2, 0.0, 0.0])


HELD = LEVEL.format(target="ampa", mode="potentiate", value=0.3, more="").replace(
    "actions", "usual_every: 24 h\nactions"
)


def test_a_third_of_the_dose_three_times_a_day_is_the_dose_once_a_day(drug: Write) -> None:
    thirds = only(drug(HELD), [Dose(8.0 * k, 1.0 / 3.0, interval_h=8.0) for k in range(9)])
    np.testing.assert_allclose(values(thirds, -1.0, 0.0, 7.9, 50.0, 71.9, 72.0), [0, 0.3, 0.3, 0.3, 0.3, 0])
    assert thirds.law.edges_h == (0.0, 72.0)


def test_the_dose_twice_as_often_is_the_double_dose(drug: Write) -> None:
    often = only(drug(HELD), [Dose(12.0 * k, 1.0, interval_h=12.0) for k in range(4)])
    np.testing.assert_allclose(values(often, 0.0, 30.0, 47.9, 48.0), [0.6, 0.6, 0.6, 0.0])


def test_a_dose_is_held_no_longer_than_its_usual_interval(drug: Write) -> None:
    weekly = only(drug(HELD), [Dose(168.0 * k, 1.0, interval_h=168.0) for k in range(3)])
    np.testing.assert_allclose(values(weekly, 23.9, 24.0, 167.9, 168.0, 192.0), [0.3, 0.0, 0.0, 0.3, 0.0])
    quarter = only(drug(HELD), [Dose(0.0, 1.0, interval_h=91 * 24.0)])
    np.testing.assert_allclose(values(quarter, 23.9, 24.0, 1000.0), [0.3, 0.0, 0.0])


def test_two_courses_of_a_held_drug_add(drug: Write) -> None:
    both = sorted([*daily(3), *daily(3, 0.25)], key=lambda dose: dose.time_h)
    np.testing.assert_allclose(values(only(drug(HELD), both), 1.0, 60.0, 72.0), [0.375, 0.375, 0.0])
    late = [*daily(3), Dose(30.0, 0.5, single=True)]
    late.sort(key=lambda dose: dose.time_h)
    np.testing.assert_allclose(values(only(drug(HELD), late), 29.0, 31.0, 53.0, 55.0), [0.3, 0.45, 0.45, 0.3])


def test_what_is_blocked_whole_is_free_again_when_nothing_counts_any_more(drug: Write) -> None:
    odd = [Dose(0.1 * k, 0.1, interval_h=0.1) for k in range(30)]
    effect = only(drug(occupancy(1.0)), odd)
    assert values(effect, 2.95)[0] == 1.0
    assert values(effect, 3.1)[0] == 0.0


def test_a_factor_is_one_while_nothing_is_taken(drug: Write) -> None:
    faster = only(drug(LEVEL.format(target="sert.vmax", mode="enhance", value=0.3, more="")), daily(2))
    np.testing.assert_allclose(values(faster, -1.0, 1.0, 47.0, 49.0), [1.0, 1.3, 1.3, 1.0])
    less = only(drug(LEVEL.format(target="serotonin.release", mode="deplete", value=0.4, more="")), daily(2))
    np.testing.assert_allclose(values(less, -1.0, 1.0, 49.0), [1.0, 0.6, 1.0])


def test_a_pause_lets_the_level_fall_and_rise_again(drug: Write) -> None:
    doses = [*daily(2), *(Dose(24.0 * day, 1.0, interval_h=24.0) for day in (5, 6))]
    effect = only(drug(occupancy(0.8, RISE_AND_FALL)), doses)
    assert effect.law.edges_h == (0.0, 48.0, 120.0, 168.0)
    assert values(effect, 119.0)[0] < values(effect, 48.0)[0]
    assert values(effect, 168.0)[0] > values(effect, 120.0)[0]


@given(value=st.floats(0.05, 0.95), times=st.floats(0.05, 20.0))
def test_another_dose_multiplies_the_odds_of_a_share(
    value: float, times: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "odds.yaml"
    path.write_text(occupancy(value))
    effect = only(read_document(path, DrugFile), daily(1, times))
    odds = value / (1.0 - value) * times
    assert values(effect, 1.0)[0] == pytest.approx(odds / (1.0 + odds))


def test_another_dose_multiplies_what_has_no_ceiling(drug: Write) -> None:
    effect = only(drug(LEVEL.format(target="ampa", mode="potentiate", value=0.2, more="")), daily(1, 3.0))
    assert values(effect, 1.0)[0] == pytest.approx(0.6)


def test_a_complete_block_stays_complete_at_any_dose(drug: Write) -> None:
    assert values(only(drug(occupancy(1.0)), daily(1, 0.1)), 1.0)[0] == 1.0


def test_a_patient_of_twice_the_exposure_is_as_one_on_twice_the_dose(drug: Write) -> None:
    file, exposed = drug(occupancy(0.5)), Response({("sert.occupancy", ""): 2.0})
    assert values(only(file, daily(1), exposed), 1.0) == values(only(file, daily(1, 2.0)), 1.0)
    elsewhere = Response({("trkb.block", ""): 2.0})
    assert values(only(file, daily(1), elsewhere), 1.0) == values(only(file, daily(1)), 1.0)


def test_exposure_to_one_drug_leaves_other_drugs_alone(drug: Write) -> None:
    response = Response({("sert.occupancy", "this"): 3.0})
    given = {name: Course(drug(occupancy(0.5)), tuple(daily(1)), name) for name in ("this", "that")}
    occupied = {name: c.contributions(default_parameters(), response)[0] for name, c in given.items()}
    assert values(occupied["this"], 1.0)[0] == pytest.approx(0.75)
    assert values(occupied["that"], 1.0)[0] == 0.5


def test_a_half_life_that_varies_with_a_parameter_takes_its_factor(drug: Write) -> None:
    varying = COMPOUND.replace("3 h, source: assumed}", "3 h, source: assumed}\n  half_life_varies_with: hK")
    slow = Course(drug(varying), (Dose(0.0, 1.0),))
    level = slow.concentration(default_parameters(), patient=Response(half_lives={"hK": 2.0}))
    np.testing.assert_allclose(level(np.array([0.0, 6.0, 12.0])), [780.0, 390.0, 195.0])


def test_a_pulse_jumps_halves_and_adds_up(drug: Write) -> None:
    effect = only(
        drug(PULSE.format(target="ampa", mode="potentiate", value=0.5)), [Dose(0.0, 1.0), Dose(36.0, 2.0)]
    )
    np.testing.assert_allclose(values(effect, 0.0, 6.0, 36.0, 42.0), [0.5, 0.25, 1 + 1 / 128, 0.5 + 1 / 256])
    assert effect.law.edges_h == (0.0, 36.0)


def test_what_must_be_made_first_appears_with_its_half_life_and_has_the_same_area(drug: Write) -> None:
    at_once = PULSE.format(target="ampa", mode="potentiate", value=0.5)
    made = at_once.replace("half_life: {", "appears: {value: 1 h, source: assumed}, half_life: {")
    effect = only(drug(made), [Dose(0.0, 1.0)])
    made_per_h, lost_per_h = log(2.0), log(2.0) / 6.0
    times_h = np.linspace(0.0, 240.0, 24_001)
    closed = 0.5 * made_per_h / (made_per_h - lost_per_h)
    closed = closed * (np.exp(-lost_per_h * times_h) - np.exp(-made_per_h * times_h))
    np.testing.assert_allclose(effect.at(times_h), closed, atol=1e-12)
    area = np.trapezoid(effect.at(times_h), times_h)
    assert area == pytest.approx(0.5 / lost_per_h, rel=1e-5)


def test_a_pulse_of_a_share_never_passes_one(drug: Write) -> None:
    effect = only(drug(PULSE.format(target="trkb.block", mode="block", value=0.8)), [Dose(0.0, 50.0)])
    assert 0.99 < values(effect, 0.0)[0] < 1.0


def test_a_hill_law_follows_the_concentration(drug: Write) -> None:
    effect = only(drug(COMPOUND), [Dose(0.0, 1.0)])
    concentration_uM = 0.78 * 0.5 ** (np.array([0.0, 1.0, 6.0]) / 3.0)
    expected = concentration_uM**1.4 / (concentration_uM**1.4 + 0.5**1.4)
    np.testing.assert_allclose(effect.at(np.array([0.0, 1.0, 6.0])), expected)


@given(first=st.floats(0.0, 30.0), second=st.floats(0.0, 30.0), amount=st.floats(0.0, 5.0))
def test_a_second_dose_never_lowers_occupancy(
    first: float, second: float, amount: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "compound.yaml"
    path.write_text(COMPOUND)
    file = read_document(path, DrugFile)
    alone = only(file, [Dose(first, 1.0)])
    both = only(file, sorted([Dose(first, 1.0), Dose(second, amount)], key=lambda dose: dose.time_h))
    times_h = np.linspace(0.0, 60.0, 61)
    assert np.all(both.at(times_h) >= alone.at(times_h) - 1e-12)


def test_a_drug_is_gone_when_one_percent_of_its_peak_is_left(drug: Write) -> None:
    effect = only(drug(occupancy(0.8, RISE_AND_FALL)), daily(14))
    odds = GONE * 0.8 / (1 - GONE * 0.8)
    expected_h = 336.0 + 30.0 * log(4.0 / odds) / log(2)
    assert effect.gone_h() == pytest.approx(expected_h, abs=1.0)
    assert values(effect, effect.gone_h() + 1.0)[0] < GONE * 0.8


def test_a_dose_of_nothing_has_no_effect_and_is_never_there(drug: Write) -> None:
    effect = only(drug(COMPOUND), [Dose(0.0, 0.0)])
    assert not effect.at(np.linspace(0.0, 50.0, 51)).any()
    assert effect.gone_h() == -inf
    assert Course(drug(COMPOUND), ()).contributions(default_parameters()) == []


def test_a_taper_lowers_a_level_step_by_step(drug: Write) -> None:
    falling = [Dose(24.0 * day, 1.0 - 0.25 * day, interval_h=24.0) for day in range(4)]
    effect = only(drug(LEVEL.format(target="ampa", mode="potentiate", value=0.4, more="")), falling)
    np.testing.assert_allclose(values(effect, 1.0, 25.0, 49.0, 73.0, 97.0), [0.4, 0.3, 0.2, 0.1, 0.0])
    assert effect.law.edges_h == (0.0, 24.0, 48.0, 72.0, 96.0)


def test_frequent_doses_are_seen_as_their_running_mean(drug: Write) -> None:
    often = only(drug(COMPOUND), [Dose(8.0 * k, 1.0, interval_h=8.0) for k in range(30)])
    assert often.law.averaged_h == 8.0
    assert often.law.edges_h == (0.0, 240.0)
    named_days = only(drug(COMPOUND), [Dose(24.0 * k, 1.0, single=True) for k in range(3)])
    assert named_days.law.averaged_h == 0.0
    assert named_days.law.edges_h == (0.0, 24.0, 48.0)
    rarely = only(drug(COMPOUND), [Dose(48.0 * k, 1.0, interval_h=24.0) for k in range(3)])
    assert rarely.law.averaged_h == 0.0
    assert rarely.law.edges_h == (0.0, 48.0, 96.0)


def test_a_class_drug_has_no_concentration(drug: Write) -> None:
    with pytest.raises(ValueError, match="the drug has no kinetics, so it has no concentration"):
        Course(drug(occupancy(0.5)), ()).concentration(default_parameters())


def shipped_effects(name: str, doses: list[Dose], patient: Response = TYPICAL) -> dict[str, Contribution]:
    """Contributions of a shipped drug by field."""
    file, _ = read("drugs", name, DrugFile)
    parts = Course(file, tuple(doses), name).contributions(default_parameters(), patient)
    return {part.mode.field: part for part in parts}


def test_an_ssri_follows_the_closed_form_of_the_model_description() -> None:
    p, factor = default_parameters(), 0.6
    effects = shipped_effects("ssri-like", daily(14), Response({("sert.occupancy", ""): factor}))
    times_h = np.linspace(0.0, 700.0, 400)
    rising = 1.0 - np.exp(-times_h / p["ton"])
    fallen = (1.0 - exp(-336.0 / p["ton"])) * 0.5 ** ((times_h - 336.0) / p["hS"])
    level = np.where(times_h < 336.0, rising, fallen)
    odds = p["odds"] * factor * level
    np.testing.assert_allclose(effects["sert_occupancy"].at(times_h), odds / (1.0 + odds), rtol=1e-12)
    np.testing.assert_allclose(effects["trkb_facilitation"].at(times_h), p["eT"] * level, rtol=1e-12)


def test_the_tianeptine_like_drug_builds_up_ampa_and_ends_at_once() -> None:
    p = default_parameters()
    effects = shipped_effects("tianeptine-like", daily(10))
    times_h = np.array([0.0, 5.0, 100.0, 239.9, 240.0, 500.0])
    dosed = times_h < 240.0
    ampa = np.where(dosed, p["tiam"] * (1.0 - np.exp(-times_h / p["ton"])), 0.0)
    np.testing.assert_allclose(effects["ampa"].at(times_h), ampa, rtol=1e-12)
    np.testing.assert_allclose(effects["sert_vmax_factor"].at(times_h), np.where(dosed, p["vm"], 1.0))


def test_ketamine_follows_the_closed_form_of_the_model_description() -> None:
    p = default_parameters()
    doses_h = (0.0, 48.0)
    effects = shipped_effects("ketamine-like", [Dose(hour, 1.0, single=True) for hour in doses_h])
    times_h = np.linspace(0.0, 120.0, 241)
    since_h = [np.where(times_h >= hour, times_h - hour, np.inf) for hour in doses_h]
    level = sum(p["Cmax"] * 0.5 ** (since / p["hK"]) for since in since_h)
    formed, lost = log(2.0) / p["hF"], log(2.0) / p["hM"]
    made = sum(np.exp(-lost * since) - np.exp(-formed * since) for since in since_h)
    for field, half in (("nmda_block_interneuron", "kKi"), ("nmda_block_principal", "kKp")):
        block = level ** p["nK"] / (level ** p["nK"] + p[half] ** p["nK"])
        np.testing.assert_allclose(effects[field].at(times_h), block, rtol=1e-9)
    expected = p["kam"] * formed / (formed - lost) * made
    np.testing.assert_allclose(effects["ampa"].at(times_h), expected, rtol=1e-9, atol=1e-12)


def test_psilocybin_drives_trkb_most_after_its_time_to_the_peak() -> None:
    p = default_parameters()
    drive = shipped_effects("psilocybin-like", [Dose(0.0, 1.0, single=True)])["trkb_drive"]
    times_h = np.linspace(0.0, 1000.0, 501)
    expected = p["ptr"] * times_h / p["hP"] * np.exp(1.0 - times_h / p["hP"])
    np.testing.assert_allclose(drive.at(times_h), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("level", "told"),
    [
        ("odds: {value: 4, source: assumed}", "not a share"),
        ("factor: {value: 2, source: assumed}", "not a factor"),
        ("while_taken: {value: 1, source: assumed}, odds: {value: 4, source: assumed}", "exactly one of"),
        ("rise_tau: {value: 1 h, source: assumed}", "exactly one of"),
    ],
)
def test_a_level_has_one_strength_that_fits_its_target(drug: Write, level: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        drug(HEAD + f"actions: [{{target: ampa, mode: potentiate, level: {{{level}}}}}]\n")


@pytest.mark.parametrize(
    "pulse",
    [
        "after_dose: {value: 1, source: assumed}",
        "peak: {value: 1, source: assumed}",
        "after_dose: {value: 1, source: assumed}, peaks_after: {value: 1 h, source: assumed}",
    ],
)
def test_a_pulse_has_one_of_two_forms(drug: Write, pulse: str) -> None:
    with pytest.raises(InputError, match="either after_dose and half_life, or peak and peaks_after"):
        drug(HEAD + f"actions: [{{target: ampa, mode: potentiate, pulse: {{{pulse}}}}}]\n")


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("nmda.interneuron", "nmda.interneurone", "did you mean"),
        ("mode: block", "mode: blok", "did you mean"),
        ("route: bolus", "route: oral", "absorption_half_life"),
        ("3 h", "3 m", "minutes, months or metres"),
        ("780 nM", "780 mg", "unknown unit"),
        ("10 mg", "-10 mg", "must not be negative"),
        ("    hill:", "    of: metabolite\n    hill:", "compound or metabolite"),
        ("    hill:", "    region: mPFC\n    hill:", "region"),
    ],
)
def test_a_drug_file_that_makes_no_sense_is_refused(drug: Write, right: str, wrong: str, told: str) -> None:
    assert right in COMPOUND
    with pytest.raises(InputError, match=told):
        drug(COMPOUND.replace(right, wrong, 1))
