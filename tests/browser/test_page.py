"""The page in a real Chromium: what a teacher does with it, and what must not happen."""

# pyright: reportMissingImports=false
# ruff: noqa: E402 (what may be missing is asked for first)

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from page_server import skip_where_they_cannot_run

skip_where_they_cannot_run()

from playwright.sync_api import Download, Page, expect
from unstuck.files.find import scenario_folders
from unstuck.files.treatment import Treatment
from unstuck.page.session import Session
from unstuck.parameters import default_parameters
from unstuck.patient.draw import draw_patient, read_cohort
from unstuck.patient.simulation import Simulation

pytestmark = pytest.mark.browser
OpenPage = Callable[..., Page]

COLOURS = """canvas => {
  const image = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(image.data.buffer)).size;
}"""


def day(page: Page) -> float:
    """The day that is shown."""
    return float(page.get_by_test_id("circuit").get_attribute("data-day") or "nan")


def recovery(page: Page, panel: int) -> float:
    """The recovery index that a panel shows."""
    return float(page.get_by_test_id(f"recovery-{panel}").get_attribute("data-recovery") or "nan")


def expect_day(page: Page, wanted: float) -> None:
    """Wait until a day is shown."""
    page.wait_for_function(
        "wanted => Math.abs(+document.querySelector('[data-testid=circuit]').dataset.day - wanted) < 0.001",
        arg=wanted,
    )


def choose_from_set_up(page: Page, test_id: str) -> None:
    """Open the set-up menu and press one of its buttons."""
    page.get_by_test_id("more").click()
    page.get_by_test_id(test_id).click()


def saved(page: Page, test_id: str) -> Download:
    """What a button of the set-up menu saves."""
    page.get_by_test_id("more").click()
    with page.expect_download() as waiting:
        page.get_by_test_id(test_id).click()
    if page.locator("details[open]").count():
        page.get_by_test_id("more").click()
    return waiting.value


def text_of(download: Download) -> str:
    """The content of a saved text file."""
    return Path(download.path()).read_text(encoding="utf-8")


def test_three_copies_of_one_stuck_patient_are_drawn_and_explained(open_page: OpenPage) -> None:
    page = open_page()
    for panel in range(3):
        assert page.get_by_test_id(f"net-{panel}").evaluate(COLOURS) > 20
        assert recovery(page, panel) == pytest.approx(0.0, abs=1e-3)
    assert page.get_by_test_id("curves").evaluate(COLOURS) > 5
    expect(page.get_by_test_id("hint")).to_contain_text("One stuck patient, 3 times")
    page.get_by_test_id("about").click()
    expect(page.get_by_test_id("about-panel")).to_contain_text("not medical advice")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("about-panel")).to_have_count(0)


def test_steps_move_the_clock_and_reset_returns_to_day_0(open_page: OpenPage) -> None:
    page = open_page()
    for _ in range(3):
        page.get_by_test_id("step-hour").click()
    expect_day(page, 3 / 24)
    expect(page.get_by_test_id("clock")).to_have_text("day 0, 03:00")
    page.get_by_test_id("step-day").click()
    expect_day(page, 1 + 3 / 24)
    page.get_by_test_id("reset").click()
    expect_day(page, 0.0)
    expect(page.get_by_test_id("clock")).to_have_text("day 0, 00:00")


def test_play_lets_time_run_and_pause_stops_clock_and_chart_together(open_page: OpenPage) -> None:
    page = open_page()
    page.get_by_test_id("speed").fill("4")
    expect(page.get_by_test_id("speed-value")).to_have_text("1 day a second")
    page.get_by_test_id("play").click()
    page.wait_for_function("+document.querySelector('[data-testid=circuit]').dataset.day > 1")
    page.get_by_test_id("play").click()
    expect(page.get_by_test_id("circuit")).to_have_attribute("data-playing", "false")
    page.wait_for_timeout(400)
    stopped = day(page)
    page.get_by_test_id("theme").click()  # an unrelated change must not bring an old frame back
    page.wait_for_timeout(300)
    assert day(page) == stopped
    hours = int(stopped * 24 + 1e-6)
    expect(page.get_by_test_id("clock")).to_have_text(f"day {hours // 24}, {hours % 24:02d}:00")


def test_the_keyboard_plays_steps_and_changes_speed(open_page: OpenPage) -> None:
    page = open_page()
    page.keyboard.press("ArrowRight")
    expect_day(page, 1 / 24)
    page.keyboard.press("Shift+ArrowRight")
    expect_day(page, 1 + 1 / 24)
    page.keyboard.press("ArrowUp")
    expect(page.get_by_test_id("speed-value")).to_have_text("1 day a second")
    page.keyboard.press(" ")
    expect(page.get_by_test_id("circuit")).to_have_attribute("data-playing", "true")
    page.keyboard.press(" ")
    expect(page.get_by_test_id("circuit")).to_have_attribute("data-playing", "false")


def test_jumps_show_health_the_ditch_and_twelve_weeks(open_page: OpenPage) -> None:
    page = open_page()
    page.get_by_test_id("jump-healthy").click()
    expect_day(page, -102.0)
    assert recovery(page, 0) == pytest.approx(1.0, abs=0.01)
    page.get_by_test_id("jump-12-weeks").click()
    expect_day(page, 84.0)
    assert recovery(page, 0) < 0.5 < recovery(page, 1)
    page.get_by_test_id("jump-stuck").click()
    expect_day(page, 0.0)
    assert recovery(page, 1) == pytest.approx(0.0, abs=1e-3)


def test_two_tabs_never_mix_and_the_same_seed_gives_the_same(open_page: OpenPage) -> None:
    first, second = open_page(), open_page()
    for page in (first, first, second):
        page.get_by_test_id("step-day").click()
    expect_day(first, 2.0)
    expect_day(second, 1.0)
    second.get_by_test_id("step-day").click()
    expect_day(second, 2.0)
    assert [recovery(first, k) for k in range(3)] == [recovery(second, k) for k in range(3)]


def test_a_dose_by_hand_and_stress_act_and_the_link_restores_them(open_page: OpenPage) -> None:
    page = open_page()
    page.get_by_test_id("step-day").click()
    expect_day(page, 1.0)
    page.get_by_test_id("give-drug-0").select_option("ketamine-like")
    page.get_by_test_id("give-0").click()
    page.get_by_test_id("stress-1").click()
    expect(page.get_by_test_id("stress-1")).to_have_text("End stress")
    page.get_by_test_id("step-day").click()
    expect_day(page, 2.0)
    page.get_by_test_id("stress-1").click()
    page.get_by_test_id("step-day").click()
    expect_day(page, 3.0)
    assert recovery(page, 0) > 0.3
    assert re.search(r"a\.give=24\+ketamine-like", page.url)
    assert re.search(r"b\.stress=24-48", page.url)
    again = open_page(page.url.partition("?")[2] + "&day=3")
    expect_day(again, 3.0)
    for panel in range(3):
        assert recovery(again, panel) == pytest.approx(recovery(page, panel), abs=0.01)


def test_a_dose_that_is_none_is_answered_and_changes_nothing(open_page: OpenPage) -> None:
    page = open_page()
    before = page.url
    for dose in ("-5", "1e9", "abc", "1e9 mg", "0 mg", "<b>x</b>"):
        for field, act in (
            ("give-dose-1", lambda: page.get_by_test_id("give-1").click()),
            ("dose-1", lambda: None),
        ):
            page.get_by_test_id(field).fill(dose)
            page.get_by_test_id(field).press("Tab")
            act()
            note = page.get_by_test_id("note").first
            expect(note).to_contain_text(dose if "mg" not in dose else "times the usual dose")
            note.get_by_role("button").click()
            expect(page.get_by_test_id("note")).to_have_count(0)
    page.get_by_test_id("step-hour").click()
    expect_day(page, 1 / 24)
    assert page.url == before


def test_a_click_on_a_neuron_and_on_a_band_tells_about_them(open_page: OpenPage) -> None:
    page = open_page()
    where = page.evaluate(
        """() => {
          const layout = document.querySelector('.unstuck').__vue__.store.layouts[0];
          return { neuron: [layout.dots[0], layout.dots[1]], band: layout.bands[0].points[12] };
        }"""
    )
    net = page.get_by_test_id("net-0")
    net.click(position={"x": where["neuron"][0], "y": where["neuron"][1]})
    told = page.get_by_test_id("neuron")
    expect(told).to_contain_text("pyramidal neuron 0, medial prefrontal cortex")
    for word in ("Hz", "BDNF, TrkB", "inhibition", "strength"):
        expect(told).to_contain_text(word)
    net.click(position={"x": where["band"][0], "y": where["band"][1]})
    expect(page.get_by_test_id("detail")).to_contain_text("strength over time")
    assert page.locator("canvas.strength").evaluate(COLOURS) > 2


def test_exports_are_a_picture_the_curves_and_a_scenario_that_runs_to_the_same_recovery(
    open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(more="&c.give=48+ketamine-like+0.5+mg/kg&c.stress=72-96")
    page.get_by_test_id("step-week").click()
    expect_day(page, 7.0)
    picture = saved(page, "export-png")
    assert picture.suggested_filename == "unstuck.png"
    assert Path(picture.path()).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    rows = list(csv.DictReader(io.StringIO(text_of(saved(page, "export-csv")))))
    last = [row for row in rows if row["panel"] == "C"][-1]
    assert float(last["day"]) == pytest.approx(7.0)
    assert float(last["recovery"]) == pytest.approx(recovery(page, 2), abs=1e-3)
    scenario = saved(page, "export-scenario-2")
    file = tmp_path / scenario.suggested_filename
    file.write_text(text_of(scenario), encoding="utf-8")
    assert yaml.safe_load(file.read_text())["phases"]["treatment"]["bouts"]
    assert recovery_of_file(file, 7.0) == pytest.approx(recovery(page, 2), abs=0.01)


def recovery_of_file(file: Path, on_day: float) -> float:
    """Recovery on a day when the file is run as `unstuck run` does."""
    treatment = Treatment(str(file))
    cohort = next(p for folder in scenario_folders() if (p := folder / "cohort.yaml").exists())
    patient = draw_patient(
        treatment.circuit, default_parameters(), read_cohort(cohort), seed=1, index=0, neurons=200
    )
    arm = Simulation(patient, treatment).run()
    reading = next(reading for reading in arm.readings if abs(reading.day - on_day) < 1e-6)
    return arm.recovery(reading.connectivity)


def test_a_model_that_fails_shows_why_keeps_its_last_frame_and_recovers(open_page: OpenPage) -> None:
    failing = (Path(__file__).parent / "failing.yaml").as_posix()
    page = open_page(f"neurons=200&a=untreated&c={failing}")
    page.get_by_test_id("step-day").click()
    expect_day(page, 1.0)
    page.get_by_test_id("step-week").click()
    expect(page.get_by_test_id("fault")).to_contain_text("The model stopped on day 2.0")
    assert day(page) == pytest.approx(1.0)
    assert page.get_by_test_id("net-0").evaluate(COLOURS) > 20
    page.get_by_test_id("play").click()
    expect(page.get_by_test_id("circuit")).to_have_attribute("data-playing", "false")
    page.get_by_test_id("fault-reset").click()
    expect(page.get_by_test_id("fault")).to_have_count(0)
    expect_day(page, 0.0)
    page.get_by_test_id("step-hour").click()
    expect_day(page, 1 / 24)


def test_a_link_with_nonsense_is_ignored_with_a_note(open_page: OpenPage) -> None:
    page = open_page("seed=x&neurons=-3&a=ssri-lik&b=untreated&b.give=soon&day=never&%00=%ff&" + "z=1&" * 300)
    notes = page.get_by_test_id("note")
    expect(notes.filter(has_text="did you mean 'ssri-like'?")).to_have_count(1)
    expect(notes.filter(has_text="seed must be a whole number")).to_have_count(1)
    page.get_by_test_id("step-hour").click()
    expect_day(page, 1 / 24)


@pytest.mark.slow
def test_a_hundred_quick_clicks_on_every_button_leave_a_page_that_works(open_page: OpenPage) -> None:
    page = open_page()
    buttons = ["play", "step-hour", "step-day", "step-week", "jump-healthy", "jump-stuck", "jump-12-weeks"]
    buttons += ["give-0", "give-2", "stress-1", "theme", "reset"]
    page.evaluate(
        """ids => ids.forEach(id => {
          for (let k = 0; k < 100; k++) document.querySelector(`[data-testid=${id}]`).click();
        })""",
        buttons,
    )
    expect_day(page, 0.0)
    page.get_by_test_id("step-hour").click()
    expect_day(page, 1 / 24)
    expect(page.get_by_test_id("fault")).to_have_count(0)


def test_another_patient_other_copies_and_another_treatment_can_be_chosen(open_page: OpenPage) -> None:
    page = open_page()
    page.get_by_test_id("more").click()
    page.get_by_test_id("seed").fill("7")
    page.get_by_test_id("neurons").fill("150")
    page.get_by_test_id("copies").select_option("2")
    page.get_by_test_id("apply-patient").click()
    expect(page.get_by_test_id("panel-2")).to_have_count(0)
    page.get_by_test_id("treatment-0").select_option("ketamine-like")
    page.wait_for_url(re.compile(r"seed=7&patient=0&neurons=150&a=ketamine-like&b=ssri-like$"))
    page.get_by_test_id("more").click()
    page.get_by_test_id("neurons").fill("1000000")
    page.get_by_test_id("apply-patient").click()
    expect(page.get_by_test_id("note")).to_contain_text("neurons must be a whole number from 100 to 5000")


def test_a_dropped_connection_is_restored_with_all_curves(open_page: OpenPage) -> None:
    page = open_page(ready=False)
    connections = []
    page.route_web_socket(
        re.compile(r".*"), lambda route: connections.append((route, route.connect_to_server()))
    )
    page.reload()
    expect(page.get_by_test_id("circuit")).to_have_attribute("data-ready", "1")
    page.get_by_test_id("play").click()
    page.wait_for_function("+document.querySelector('[data-testid=circuit]').dataset.day > 0.5")
    for side in connections[-1]:
        side.close()
    page.wait_for_timeout(1_500)
    seen = day(page)
    page.wait_for_function(
        "seen => +document.querySelector('[data-testid=circuit]').dataset.day > seen + 1",
        arg=seen,
        timeout=30_000,
    )
    page.get_by_test_id("play").click()
    expect(page.get_by_test_id("circuit")).to_have_attribute("data-playing", "false")
    page.wait_for_timeout(500)
    gaps = page.evaluate(
        """() => { const { rows: all, frame } = document.querySelector('.unstuck').__vue__.store;
        const rows = all[frame.panels[0].run];
        const days = rows.map(r => r[0]).filter(d => d >= 0);
        return Math.max(...days.slice(1).map((d, k) => d - days[k])); }"""
    )
    assert gaps == pytest.approx(4 / 24, abs=0.01)


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_it_is_readable_in_light_and_dark_and_never_scrolls_sideways(
    open_page: OpenPage, width: int, scheme: str
) -> None:
    page = open_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    back = page.get_by_test_id("curves").evaluate(
        "c => c.getContext('2d').getImageData(2, c.height - 3, 1, 1).data[0]"
    )
    assert (back < 60) == (scheme == "dark")


def test_the_keyboard_works_after_the_mouse(open_page: OpenPage) -> None:
    page = open_page()
    page.get_by_test_id("step-hour").click()
    expect_day(page, 1 / 24)
    page.keyboard.press(" ")
    expect(page.get_by_test_id("circuit")).to_have_attribute("data-playing", "true")
    page.get_by_test_id("speed").click(position={"x": 3, "y": 8})
    page.keyboard.press(" ")
    expect(page.get_by_test_id("circuit")).to_have_attribute("data-playing", "false")
    before = day(page)
    page.get_by_test_id("give-drug-0").click()
    page.keyboard.press("Escape")
    page.get_by_test_id("clock").click()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "before => +document.querySelector('[data-testid=circuit]').dataset.day > before", arg=before
    )
    page.get_by_test_id("more").click()
    page.keyboard.press("Escape")
    assert page.locator("details[open]").count() == 0


def test_a_click_on_a_neuron_and_then_a_smaller_patient_leave_a_page_that_works(open_page: OpenPage) -> None:
    page = open_page()
    where = page.evaluate(
        """() => {
          const layout = document.querySelector('.unstuck').__vue__.store.layouts[0], last = layout.total - 5;
          return [layout.dots[2 * last], layout.dots[2 * last + 1]];
        }"""
    )
    page.get_by_test_id("net-0").click(position={"x": where[0], "y": where[1]})
    expect(page.get_by_test_id("neuron")).to_contain_text("Hz")
    page.get_by_test_id("more").click()
    page.get_by_test_id("neurons").fill("100")
    page.get_by_test_id("apply-patient").click()
    expect(page.get_by_test_id("detail")).to_have_count(0)
    page.get_by_test_id("step-day").click()
    expect_day(page, 1.0)
    expect(page.get_by_test_id("fault")).to_have_count(0)


def test_panels_with_different_circuits_show_each_its_own_regions(open_page: OpenPage) -> None:
    page = open_page("neurons=200&a=ssri-like&b=ssri-like-with-habenula&day=3")
    expect_day(page, 3.0)
    told = page.evaluate(
        """() => {
          const view = document.querySelector('.unstuck').__vue__, frame = view.store.frame;
          return { regions: view.regions(frame).map(region => region.id),
                   own: view.lines(frame).map(line => line.columns.includes('serotonin LHb')) };
        }"""
    )
    assert told["own"] == [False, True]
    assert told["regions"][-1] == "LHb"
    assert len(set(told["regions"])) == len(told["regions"])


@pytest.mark.slow
def test_the_picture_is_stacked_on_a_phone_and_as_sharp_as_its_screen(open_page: OpenPage) -> None:
    page = open_page(viewport={"width": 390, "height": 844}, device_scale_factor=2)
    png = Path(saved(page, "export-png").path()).read_bytes()
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    nets = page.get_by_test_id("net-0").evaluate("net => [net.width, net.height]")
    assert nets[0] < width < 2 * nets[0]
    assert height > 3 * nets[1]


def test_a_drug_file_of_ones_own_is_on_offer_to_its_own_panel(open_page: OpenPage) -> None:
    failing = (Path(__file__).parent / "failing.yaml").as_posix()
    page = open_page(f"neurons=200&a=untreated&c={failing}")
    expect(page.get_by_test_id("give-drug-1")).to_have_value("failing-drug.yaml")
    assert page.get_by_test_id("give-drug-0").input_value()
    assert page.get_by_test_id("give-drug-0").locator("option[value='failing-drug.yaml']").count() == 0
    assert saved(page, "export-scenario-1").suggested_filename == "unstuck-b-failing.yaml"


def test_the_worker_of_a_tab_lives_on_after_any_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    from unstuck.page import page as page_module
    from unstuck.page.plan import PanelPlan, Plan

    tab = page_module._Tab(Session(Plan((PanelPlan("untreated"),))))  # pyright: ignore[reportPrivateUsage]
    worked: list[float] = []

    def fails_once(elapsed_s: float) -> None:
        worked.append(elapsed_s)
        if len(worked) == 1:
            raise IndexError("nobody foresaw this")
        tab.close()

    monkeypatch.setattr(page_module, "_AFTER_A_FAULT_S", 0.01)
    monkeypatch.setattr(tab, "_work_once", fails_once)
    tab._work()  # pyright: ignore[reportPrivateUsage]
    assert len(worked) == 2
    assert "nobody foresaw this" in tab.session.wishes.fault


def test_the_state_of_the_controls_is_one_json_object() -> None:
    from unstuck.page import wire
    from unstuck.page.plan import PanelPlan, Plan

    said = json.loads(wire.controls(Session(Plan((PanelPlan("untreated"),))), ["untreated"], ["ssri-like"]))
    assert said["panels"][0]["title"] == "Untreated"
