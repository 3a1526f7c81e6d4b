"""The mean-field that the page computes by itself: its numbers against Python's, and its sliders."""

# pyright: reportMissingImports=false
# ruff: noqa: E402 (the module is skipped first where something is missing)

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from page_server import skip_without

skip_without("playwright", "starlette", "uvicorn", "websockets")

from playwright.sync_api import Page, expect
from unstuck.engine.step import Accuracy
from unstuck.files.find import shipped
from unstuck.files.treatment import Treatment
from unstuck.files.units import HOURS_A_DAY
from unstuck.parameters import default_parameters
from unstuck.patient.draw import Patient, draw_patient
from unstuck.patient.life import Life, get_stuck
from unstuck_analysis.view.lesions import injure
from unstuck_analysis.view.meanfield import mean_field
from unstuck_analysis.view.plan import AddedStress, Lesion, PanelPlan
from unstuck_analysis.view.prescribe import prescribed

pytestmark = pytest.mark.browser
OpenPage = Callable[..., Page]

# One of every kind: level, pulses, kinetics with a metabolite, infusions, conditions, and drugs before day 0.
SOME = {
    *("untreated", "ssri-two-weeks", "ketamine-like-six", "fluoxetine-like", "psilocybin-like"),
    *("esketamine-nasal-maintenance", "ssri-switch-tianeptine", "sert-knock-out-ssri"),
}
DAYS = [pytest.param(name, 32, id=name) for name in sorted(SOME)]  # the switch is on day 28
DAYS += [
    pytest.param(name, 168, id=f"{name}, all days", marks=pytest.mark.slow)
    for name in sorted(shipped("treatments"))
]
# The day on which frequent doses end depends on where steps end: by 1e-6 at a tolerance of 1e-9.
EXACT = Accuracy(slow=1e-10, firing=1e-12)


def typical_patient(treatment: Treatment) -> Patient:
    """The typical patient as a mean-field."""
    return draw_patient(treatment.circuit, default_parameters(), None, seed=1, index=0, neurons=0)


def in_python(treatment: Treatment, last_day: int, lesions: Sequence[Lesion] = ()) -> list[float]:
    """Recovery on every day until a day."""
    patient = typical_patient(treatment)
    life = Life(patient, treatment, get_stuck(patient, treatment, EXACT), EXACT)
    recovery = [life.recovery]
    for day in range(1, last_day + 1):
        for lesion in (lesion for lesion in lesions if lesion.hour == (day - 1) * 24 + 12):
            life.advance(life.treatment.file.day_0_h + lesion.hour)
            injure(life, lesion)
        life.advance(life.treatment.file.day_0_h + day * HOURS_A_DAY)
        recovery.append(life.recovery)
    return recovery


def in_the_page(
    page: Page, treatment: Treatment, last_day: int, lesions: Sequence[Lesion] = (), **settings: float
) -> list[float]:
    """The same, computed by the page."""
    given = mean_field(typical_patient(treatment), treatment, lesions)
    return page.evaluate(
        """given => {
          const { days, recovery } = document.getElementById('app').meanFieldRun(...given, 1e-9);
          const isDay = day => day > -1e-6 && Math.abs(day - Math.round(day)) < 1e-6;
          return recovery.filter((_, k) => isDay(days[k])); }""",
        [given, last_day, settings],
    )


def equal(recovery: list[float]) -> object:
    """Equal on every day within 1e-6."""
    return pytest.approx(recovery, abs=1e-6, rel=0)


@pytest.mark.parametrize(("name", "last_day"), DAYS)
def test_the_page_computes_the_same_daily_recovery_as_python(
    open_page: OpenPage, name: str, last_day: int
) -> None:
    treatment = Treatment(name)
    last_day = min(last_day, int((treatment.file.end_h - treatment.file.day_0_h) / HOURS_A_DAY))
    there = in_the_page(open_page(ready=False), treatment, last_day)
    assert there == equal(in_python(treatment, last_day))


def test_the_page_computes_a_circuit_with_noradrenaline(open_page: OpenPage) -> None:
    treatment = Treatment("venlafaxine-like", "with-locus-coeruleus")
    assert in_the_page(open_page(ready=False), treatment, 14) == equal(in_python(treatment, 14))


@pytest.mark.parametrize(("name", "circuit"), [("ketamine-like", "anxiety"), ("ssri-like", "ocd")])
def test_the_page_computes_recovery_that_is_read_from_activity(
    open_page: OpenPage, name: str, circuit: str
) -> None:
    treatment = Treatment(name, circuit)
    there = in_the_page(open_page(ready=False), treatment, 14)
    assert there[0] == pytest.approx(0.0, abs=1e-6)  # before the dose of day 0; Python reads just after it
    assert there[1:] == pytest.approx(in_python(treatment, 14)[1:], abs=1e-5, rel=0)


def test_dose_length_and_stress_act_as_in_a_treatment_file(open_page: OpenPage) -> None:
    page, usual, course = open_page(ready=False), Treatment("fluoxetine-like"), Treatment("ssri-like")
    larger = prescribed(usual, PanelPlan("", dose="30 mg"))
    assert in_the_page(page, usual, 21, dose=1.5) == equal(in_python(larger, 21))
    stressed = prescribed(usual, PanelPlan("", stress=(AddedStress(0),)))
    assert in_the_page(page, usual, 21, stress=1.0) == equal(in_python(stressed, 21))
    shorter = Treatment("ssri-two-weeks")
    assert in_the_page(page, course, 28, treatedDays=14) == equal(in_python(shorter, 28))
    assert in_the_page(page, shorter, 28, treatedDays=28) == equal(in_python(course, 28))
    brief = course.with_stress_of(30 * HOURS_A_DAY)
    assert in_the_page(page, course, 14, stressDays=30) == equal(in_python(brief, 14))


def test_a_silenced_region_and_a_cut_connection_act_as_in_python(open_page: OpenPage) -> None:
    page, usual = open_page(ready=False), Treatment("ssri-like")
    plain = in_python(usual, 14)
    for lesion in (Lesion(60, "silence", "HPC"), Lesion(36, "cut", "mPFC_P > NAc_P")):
        injured = in_python(usual, 14, [lesion])
        assert abs(injured[-1] - plain[-1]) > 0.01
        assert in_the_page(page, usual, 14, [lesion]) == equal(injured)


def move(page: Page, slider: str, value: float) -> None:
    """Move a slider as a user does."""
    page.locator(f"#what-{slider}").evaluate(
        "(s, v) => { s.value = v; s.dispatchEvent(new Event('input', { bubbles: true })) }", value
    )


def test_sliders_answer_at_once_for_the_patient_of_the_page(open_page: OpenPage) -> None:
    page = open_page("seed=1&patient=4&neurons=300&a=untreated&b=ssri-like&c=ketamine-like")
    page.locator("#what-if summary").click()
    expect(page.locator("#what-copy")).to_have_value("1")  # the first copy with a drug
    page.locator("#what-copy").select_option("0")
    expect(page.locator("#what-dose")).to_be_hidden()
    page.locator("#what-copy").select_option("1")
    expect(page.locator("#what-says")).to_have_text("Recovery on day 84: 61 %. As the treatment says: 61 %.")
    page.locator("#go-12-weeks").click()
    page.wait_for_function("Math.abs(document.getElementById('copy-1').dataset.recovery - 0.61) < 0.03")
    move(page, "dose", 0.0)
    expect(page.locator("#what-says")).to_contain_text("Recovery on day 84: 11 %")
    move(page, "dose", 1.0)
    move(page, "days", 14)
    expect(page.locator("#what-days-text")).to_have_text("14 days")
    expect(page.locator("#what-says")).not_to_contain_text("Recovery on day 84: 61 %")
    page.locator("#what-back").click()
    expect(page.locator("#what-says")).to_contain_text("Recovery on day 84: 61 %")
    move(page, "stress", 0.6)
    expect(page.locator("#what-says")).not_to_contain_text("Recovery on day 84: 61 %")
    move(page, "before", 5)
    expect(page.locator("#what-says")).to_contain_text("this patient does not get stuck")


def test_sliders_answer_in_an_exported_page_without_a_network(
    new_page: Callable[..., Page], tmp_path: Path
) -> None:
    file = tmp_path / "page.html"
    command = [*(sys.executable, "-m", "unstuck_analysis", "view", "ssri-like", "--neurons", "100")]
    command += ["--days", "84", "--export", str(file)]
    subprocess.run(command, check=True, timeout=300, capture_output=True)
    page = new_page(offline=True, bypass_csp=False)
    page.goto(file.as_uri())
    page.locator("#what-if summary").click()
    expect(page.locator("#what-says")).to_contain_text("Recovery on day 84")
    before = page.locator("#what-says").text_content()
    page.locator("#what-dose").focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    expect(page.locator("#what-dose-text")).to_have_text("30 mg")
    expect(page.locator("#what-says")).not_to_have_text(before or "")
