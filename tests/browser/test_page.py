"""The live page in a real Chromium: what a teacher does with it, and what must not happen."""

# pyright: reportMissingImports=false
# ruff: noqa: E402 (the module is skipped first where something is missing)

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from page_server import skip_without

skip_without("playwright", "starlette", "uvicorn", "websockets")

from playwright.sync_api import Download, Page, expect
from unstuck.files.find import cohort_path
from unstuck.files.treatment import Treatment
from unstuck.parameters import default_parameters
from unstuck.patient.draw import draw_patient, read_cohort
from unstuck.patient.life import run_treatment

pytestmark = pytest.mark.browser
OpenPage = Callable[..., Page]

COLOURS = """canvas => {
  const image = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(image.data.buffer)).size;
}"""


def day(page: Page) -> float:
    """The day that is shown."""
    return float(page.locator("#app").get_attribute("data-day") or "nan")


def recovery(page: Page, copy: int) -> float:
    """The recovery index that a copy shows."""
    return float(page.locator(f"#copy-{copy}").get_attribute("data-recovery") or "nan")


def expect_day(page: Page, wanted: float) -> None:
    """Wait until a day is shown, computed for all copies."""
    page.wait_for_function(
        """wanted => { const { day, until, ready } = document.getElementById('app').dataset;
          return ready === '1' && Math.abs(day - wanted) < 0.001 && until >= wanted - 0.001; }""",
        arg=wanted,
    )


def go_on(page: Page, days: int) -> None:
    """Press +1 d some times."""
    for _ in range(days):
        page.locator("#step-day").click()


def saved(page: Page, button: str) -> Download:
    """What a button of the set-up menu saves."""
    page.locator("#set-up summary").click()
    with page.expect_download() as waiting:
        page.locator(f"#{button}").click()
    if page.locator("#set-up[open]").count():
        page.locator("#set-up summary").click()
    return waiting.value


def text_of(download: Download) -> str:
    """The content of a saved text file."""
    return Path(download.path()).read_text(encoding="utf-8")


def test_three_copies_of_one_stuck_patient_are_drawn_and_explained(open_page: OpenPage) -> None:
    page = open_page()
    for copy in range(3):
        assert page.locator(f"#copy-{copy} .net").evaluate(COLOURS) > 20
        assert recovery(page, copy) == pytest.approx(0.0, abs=1e-3)
    assert page.locator("#recovery").evaluate(COLOURS) > 5
    assert page.locator("#small").evaluate(COLOURS) > 5
    expect(page.locator("#hint")).to_contain_text("One stuck patient, three times")
    page.locator("#open-about").click()
    expect(page.locator("#about")).to_contain_text("not medical advice")
    page.keyboard.press("Escape")
    expect(page.locator("#about")).to_be_hidden()


def test_a_patient_whom_stress_did_not_make_stuck_is_not_called_stuck(open_page: OpenPage) -> None:
    page = open_page("seed=1&patient=10&neurons=200&a=untreated&b=ssri-like")
    expect(page.locator("#hint")).to_contain_text("This patient never got stuck")
    expect(page.locator("#hint")).to_contain_text("85 % or less")
    expect(page.locator("#copy-0 .badge")).to_contain_text("never stuck")
    expect(page.locator("#copy-0 .badge")).to_contain_text("connectivity")


def test_values_below_0_and_above_100_percent_are_explained(open_page: OpenPage) -> None:
    page = open_page("seed=1&patient=9&neurons=200&a=untreated&b=ssri-like")
    page.locator("#go-12-weeks").click()
    expect_day(page, 84.0)
    assert recovery(page, 1) > 1.005
    expect(page.locator("#copy-1 .badge")).to_contain_text("stronger than in health")


def test_steps_move_the_clock_and_reset_returns_to_day_0(open_page: OpenPage) -> None:
    page = open_page()
    for _ in range(3):
        page.locator("#step-hour").click()
    expect_day(page, 3 / 24)
    expect(page.locator("#clock")).to_have_text("day 0, 03:00")
    page.locator("#step-day").click()
    expect_day(page, 1 + 3 / 24)
    page.locator("#reset").click()
    expect_day(page, 0.0)
    expect(page.locator("#clock")).to_have_text("day 0, 00:00")


def test_a_step_that_is_taken_before_the_server_answers_a_reset_counts(open_page: OpenPage) -> None:
    page = open_page()
    page.locator("#copy-1 .stress-now").click()
    expect(page.locator("#copy-1 .stress-now")).to_have_text("End stress")
    page.evaluate("['reset', 'step-hour'].forEach(id => document.getElementById(id).click())")
    expect(page.locator("#copy-1 .stress-now")).to_have_text("Add stress")
    expect_day(page, 1 / 24)


def test_play_lets_time_run_and_pause_stops_it(open_page: OpenPage) -> None:
    page = open_page()
    expect(page.locator("#speed-text")).to_have_text("1 day per second")
    page.locator("#play").click()
    page.wait_for_function("+document.getElementById('app').dataset.day > 1")
    page.locator("#play").click()
    expect(page.locator("#app")).to_have_attribute("data-playing", "false")
    stopped = day(page)
    page.locator("#theme").click()
    page.wait_for_timeout(300)
    assert day(page) == stopped


def test_the_scrubber_goes_back_and_forth_without_asking_the_server(open_page: OpenPage) -> None:
    page = open_page()
    page.locator("#go-12-weeks").click()
    expect_day(page, 84.0)
    there = [recovery(page, copy) for copy in range(3)]
    sent: list[object] = []
    page.evaluate(
        "() => { WebSocket.prototype.send = () => { throw new Error('the page asked the server') } }"
    )
    for wanted in (10.0, 60.0, 84.0):
        page.locator("#scrub").evaluate(
            "(s, d) => { s.value = d; s.dispatchEvent(new Event('input')) }", wanted
        )
        expect_day(page, wanted)
        sent.append(recovery(page, 2))
    assert sent[0] != sent[1]
    assert [recovery(page, copy) for copy in range(3)] == there


def test_the_scrubber_lies_below_the_axis_of_the_curve(open_page: OpenPage) -> None:
    page = open_page()
    page.locator("#go-12-weeks").click()
    expect_day(page, 84.0)
    thumb, now = page.evaluate(
        """() => { const scrub = document.getElementById('scrub'), box = scrub.getBoundingClientRect();
          const share = (scrub.value - scrub.min) / (scrub.max - scrub.min);
          const x = box.left + 8 + share * (box.width - 16);
          const plot = document.getElementById('recovery').getBoundingClientRect();
          const place = scrub.dataset.place.split('px').map(Number);
          return [x, plot.left + place[0] + (84 - scrub.min) / (scrub.max - scrub.min) * place[1]]; }"""
    )
    assert thumb == pytest.approx(now, abs=1.5)


def test_the_keyboard_plays_steps_and_changes_speed_also_after_the_mouse(open_page: OpenPage) -> None:
    page = open_page()
    page.keyboard.press("ArrowRight")
    expect_day(page, 1 / 24)
    page.keyboard.press("Shift+ArrowRight")
    expect_day(page, 1 + 1 / 24)
    page.keyboard.press("ArrowLeft")
    expect_day(page, 1.0)
    page.keyboard.press("ArrowUp")
    expect(page.locator("#speed-text")).to_have_text("2 days per second")
    page.locator("#step-hour").click()
    page.keyboard.press(" ")
    expect(page.locator("#app")).to_have_attribute("data-playing", "true")
    page.locator("#speed").click(position={"x": 3, "y": 8})
    page.keyboard.press(" ")
    expect(page.locator("#app")).to_have_attribute("data-playing", "false")
    page.locator("#set-up summary").click()
    page.keyboard.press("Escape")
    assert page.locator("#set-up[open]").count() == 0


def test_buttons_show_health_day_0_and_twelve_weeks(open_page: OpenPage) -> None:
    page = open_page("seed=1&patient=4&neurons=300&a=untreated&b=ssri-like")
    page.locator("#go-healthy").click()
    expect_day(page, -190.0)  # 130 days of stress in this patient, and 60 days of rest
    assert recovery(page, 0) == pytest.approx(1.0, abs=0.01)
    page.locator("#go-12-weeks").click()
    expect_day(page, 84.0)
    assert recovery(page, 0) < 0.5 < recovery(page, 1)
    page.locator("#go-stuck").click()
    expect_day(page, 0.0)
    assert recovery(page, 1) == pytest.approx(0.0, abs=1e-3)


def test_the_time_axis_ends_with_the_last_day(open_page: OpenPage) -> None:
    page = open_page()
    ticks = page.evaluate(
        """() => { const drawn = [], fill = CanvasRenderingContext2D.prototype.fillText;
          CanvasRenderingContext2D.prototype.fillText = function (text, ...at) {
            drawn.push(text); return fill.call(this, text, ...at); };
          document.getElementById('theme').click();
          return new Promise(done => setTimeout(() => done(drawn), 400)); }"""
    )
    assert "day 168" in ticks


@pytest.mark.slow
def test_two_tabs_never_mix_and_the_same_seed_gives_the_same(open_page: OpenPage) -> None:
    first, second = open_page(), open_page()
    go_on(first, 2)
    go_on(second, 1)
    expect_day(first, 2.0)
    expect_day(second, 1.0)
    go_on(second, 1)
    expect_day(second, 2.0)
    assert [recovery(first, k) for k in range(3)] == [recovery(second, k) for k in range(3)]


def test_doses_and_stress_by_hand_are_listed_act_and_can_be_undone(open_page: OpenPage) -> None:
    page = open_page()
    go_on(page, 1)
    page.locator("#copy-0 .drug").select_option("ketamine-like")
    page.locator("#copy-0 .give-now").click()
    expect(page.locator("#copy-0 .by-hand")).to_contain_text("ketamine-like, day 1, 00:00")
    page.locator("#copy-1 .stress-now").click()
    expect(page.locator("#copy-1 .stress-now")).to_have_text("End stress")
    go_on(page, 1)
    page.locator("#copy-1 .stress-now").click()
    expect(page.locator("#copy-1 .by-hand")).to_contain_text("stress, day 1, 00:00 to day 2, 00:00")
    go_on(page, 1)
    expect_day(page, 3.0)
    assert recovery(page, 0) > 0.3
    assert re.search(r"a\.give=24\+ketamine-like", page.url)
    assert re.search(r"b\.stress=24-48", page.url)
    page.get_by_role("button", name="Undo ketamine-like, day 1, 00:00, copy A").click()
    expect(page.locator("#copy-0 .by-hand li")).to_have_count(0)
    expect_day(page, 3.0)
    assert recovery(page, 0) < 0.1


def test_a_link_restores_doses_stress_and_day(open_page: OpenPage) -> None:
    query = "seed=1&patient=0&neurons=200&a=untreated&a.give=24+ketamine-like&a.stress=48-72"
    page = open_page(query, more="&day=3")
    expect_day(page, 3.0)
    assert page.url.endswith(query)
    expect(page.locator("#copy-0 .by-hand li")).to_have_count(3)


def test_a_bare_address_keeps_seed_and_patient_of_the_command_line(open_page: OpenPage) -> None:
    page = open_page("")
    assert "neurons=200" in page.url
    expect(page.locator("#copy-1 .treatment")).to_contain_text("SSRI-like")


@pytest.mark.parametrize("dose", ["-5", "abc", "1e9 mg", "0 mg", "<b>x</b>"])
def test_text_that_is_not_a_dose_stays_in_its_field_with_the_reason(open_page: OpenPage, dose: str) -> None:
    page = open_page()
    before = page.url
    page.locator("#copy-1 .amount").fill(dose)
    page.locator("#copy-1 .give-now").click()
    expect(page.locator("#copy-1 .error")).not_to_be_empty()
    expect(page.locator("#copy-1 .amount")).to_have_value(dose)
    expect(page.locator("#copy-1 .amount")).to_have_attribute("aria-invalid", "true")
    page.locator("#copy-1 .amount").fill("20 mg")
    page.locator("#copy-1 .dose-text").fill(dose)
    page.locator("#copy-1 .dose-text").press("Tab")
    expect(page.locator("#copy-1 .dose-text")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#copy-1 .dose-text")).to_have_value(dose)
    page.locator("#step-hour").click()
    expect_day(page, 1 / 24)
    assert page.url == before


def test_going_from_one_to_three_copies_brings_their_treatments_back(open_page: OpenPage) -> None:
    page = open_page()
    page.locator("#set-up summary").click()
    page.locator("#copies").select_option("1")
    expect(page.locator("#copy-1")).to_have_count(0)
    page.locator("#copies").select_option("3")
    expect(page.locator("#copy-2 .treatment")).to_contain_text("Ketamine-like")
    expect(page.locator("#copy-1 .treatment")).to_contain_text("SSRI-like")


def test_a_treatment_is_found_by_typing_part_of_its_name(open_page: OpenPage) -> None:
    page = open_page()
    page.locator("#copy-0 .treatment").click()
    assert page.locator("#choices h3").first.text_content() == "No drug"
    page.locator("#search").fill("psilocybin-like")
    page.locator("#choices button[value='psilocybin-like']").click()
    page.wait_for_url(re.compile("a=psilocybin-like&"))
    expect(page.locator("#copy-0 .treatment")).to_contain_text("Psilocybin-like")


def test_another_patient_clears_the_picture_and_shows_progress_at_once(open_page: OpenPage) -> None:
    page = open_page()
    page.locator("#set-up summary").click()
    page.locator("#seed").fill("7")
    page.locator("#neurons").fill("2000")
    # Noted in the page at every picture: a busy machine may look too late.
    page.evaluate("""() => { const app = document.getElementById('app'); window.seen = [];
      const busy = document.querySelector('#copy-0 .busy');
      new MutationObserver(() => seen.push(app.dataset.ready, !busy.hidden))
        .observe(app, { attributeFilter: ['data-ready'] }); }""")
    page.locator("#apply-patient").click()
    page.wait_for_function("seen.includes('0') && seen.includes(true)")
    expect(page.locator("#app")).to_have_attribute("data-ready", "1")
    page.wait_for_url(re.compile(r"seed=7&patient=0&neurons=2000&"))


def test_a_patient_out_of_range_is_refused_next_to_its_field(open_page: OpenPage) -> None:
    page = open_page()
    page.locator("#set-up summary").click()
    page.locator("#neurons").fill("1000000")
    page.locator("#apply-patient").click()
    expect(page.locator("#patient-error")).to_contain_text("neurons must be a whole number from 100 to 5000")
    expect(page.locator("#neurons")).to_have_value("1000000")


def test_a_click_on_a_neuron_a_connection_and_a_region_tells_about_them(open_page: OpenPage) -> None:
    page = open_page()
    where = page.evaluate(
        """() => { const { layout } = document.getElementById('app').player.views[0].picture;
          return { neuron: [layout.dots[0], layout.dots[1]], band: layout.bands[0].points[12],
                   region: [layout.regions[0].nameX, layout.regions[0].nameY - 4] }; }"""
    )
    net, told = page.locator("#copy-0 .net"), page.locator("#copy-0 .detail")
    net.click(position={"x": where["neuron"][0], "y": where["neuron"][1]})
    for word in ("pyramidal neuron 0, medial prefrontal cortex", "Hz", "BDNF", "TrkB"):
        expect(told).to_contain_text(word)
    assert page.locator("#copy-0 .detail canvas").evaluate(COLOURS) > 2
    net.click(position={"x": where["region"][0], "y": where["region"][1]})
    expect(told).to_contain_text("mPFC: medial prefrontal cortex")
    page.keyboard.press("Escape")
    expect(told).to_be_hidden()
    net.click(position={"x": where["band"][0], "y": where["band"][1]})
    expect(told).to_contain_text("strength")


def test_a_region_is_silenced_and_a_connection_cut_from_their_numbers(open_page: OpenPage) -> None:
    page = open_page("seed=1&patient=0&neurons=200&a=untreated&b=ssri-like")
    page.locator("#copy-1 summary").click()
    page.locator("#copy-1 .numbers").get_by_role("button", name="NAc", exact=True).click()
    page.locator("#copy-1").get_by_role("button", name="Silence this region").click()
    expect(page.locator("#copy-1 .by-hand")).to_contain_text("NAc silenced, day 0, 00:00")
    page.get_by_role("button", name="mPFC_P → HPC_P").click()
    page.locator("#copy-1").get_by_role("button", name="Cut this connection").click()
    expect(page.locator("#copy-1 .by-hand")).to_contain_text("mPFC_P → HPC_P cut, day 0, 00:00")
    assert "b.silence=0+NAc&b.cut=0+mPFC_P+%3E+HPC_P" in page.url
    go_on(page, 1)
    expect_day(page, 1.0)
    row = page.locator("#copy-1 tbody tr", has_text="NAc").first
    expect(row.locator("td").first).to_have_text("0 %")
    page.get_by_role("button", name="Undo NAc silenced, day 0, 00:00, copy B").click()
    expect(row.locator("td").first).not_to_have_text("0 %")
    expect(page.locator("#copy-1 .by-hand li")).to_have_count(2)


def test_pictures_curves_and_a_treatment_file_are_saved(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(more="&c.give=48+ketamine-like+0.5+mg/kg&c.stress=72-96")
    page.locator("#step-week").click()
    expect_day(page, 7.0)
    png = Path(saved(page, "save-png").path()).read_bytes()
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    assert (width, height) == (2 * 1240, 2 * 770)
    svg = text_of(saved(page, "save-svg"))
    assert svg.count("<path") > 600  # every neuron is a mark of its own
    assert "Untreated" in svg
    rows = list(csv.DictReader(io.StringIO(text_of(saved(page, "save-csv")))))
    last = [row for row in rows if row["copy"] == "C"][-1]
    assert float(last["day"]) == pytest.approx(7.0)
    assert float(last["recovery"]) == pytest.approx(recovery(page, 2), abs=1e-3)
    with page.expect_download() as waiting:
        page.locator("#copy-2 .by-hand").get_by_text("Save this treatment").click()
    file = tmp_path / waiting.value.suggested_filename
    file.write_text(text_of(waiting.value), encoding="utf-8")
    assert yaml.safe_load(file.read_text())["phases"]["treatment"]["bouts"]
    assert recovery_of_file(file, 7.0) == pytest.approx(recovery(page, 2), abs=0.01)


def recovery_of_file(file: Path, on_day: float) -> float:
    """Recovery on a day when the file is run as `unstuck run` does."""
    treatment = Treatment(str(file))
    patient = draw_patient(
        treatment.circuit, default_parameters(), read_cohort(cohort_path()), seed=1, index=0, neurons=200
    )
    run = run_treatment(patient, treatment)
    reading = next(reading for reading in run.readings if abs(reading.day - on_day) < 1e-6)
    return run.recovery(reading.connectivity)


@pytest.mark.slow
def test_an_animation_is_saved(open_page: OpenPage) -> None:
    page = open_page("seed=1&patient=0&neurons=100&a=ketamine-like")
    page.locator("#set-up summary").click()
    with page.expect_download() as waiting:
        page.locator("#save-webm").click()
        page.wait_for_function("+document.getElementById('app').dataset.day > 1")
        page.locator("#play").click()
    assert Path(waiting.value.path()).read_bytes()[:4] == b"\x1a\x45\xdf\xa3"  # EBML, the container of WebM


def test_a_model_that_fails_shows_why_and_keeps_what_was_recorded(open_page: OpenPage) -> None:
    failing = (Path(__file__).parent / "failing.yaml").as_posix()
    page = open_page(f"neurons=200&a=untreated&c={failing}")
    expect(page.locator("#fault")).to_contain_text("Copy B: the model stopped: firing of")
    expect(page.locator("#fault")).to_contain_text("on day 2.00")
    go_on(page, 3)
    expect_day(page, 3.0)
    assert page.locator("#copy-1 .net").evaluate(COLOURS) > 20
    page.locator("#copy-1 .treatment").click()
    page.locator("#choices button[value='untreated']").click()
    expect(page.locator("#fault")).to_be_hidden()
    page.locator("#step-week").click()
    expect_day(page, 10.0)


def test_nonsense_in_a_link_is_left_out_with_a_note(open_page: OpenPage) -> None:
    page = open_page("seed=x&neurons=-3&a=ssri-lik&b=untreated&b.give=soon&day=never&%00=%ff&" + "z=1&" * 300)
    for text in ("did you mean 'ssri-like'?", "seed must be a whole number"):
        expect(page.locator("#note")).to_contain_text(text)
    page.locator("#step-hour").click()
    expect_day(page, 1 / 24)


@pytest.mark.slow
def test_a_hundred_quick_clicks_on_every_button_leave_a_page_that_works(open_page: OpenPage) -> None:
    page = open_page()
    page.evaluate(
        """() => { const { player } = document.getElementById('app');
          const buttons = ['play', 'step-hour', 'step-day', 'step-week', 'go-healthy', 'go-stuck',
            'go-12-weeks', 'theme', 'reset'].map(id => document.getElementById(id));
          buttons.push(document.querySelector('#copy-1 .stress-now'));
          for (const button of buttons) for (let k = 0; k < 100; k++) button.click(); }"""
    )
    page.locator("#reset").click()
    expect_day(page, 0.0)
    page.locator("#step-hour").click()
    expect_day(page, 1 / 24)
    expect(page.locator("#fault")).to_be_hidden()


def test_a_lost_connection_comes_back_by_itself_and_keeps_the_day(open_page: OpenPage) -> None:
    page = open_page(ready=False)
    connections: list[list[object]] = []
    page.route_web_socket(re.compile(r".*"), lambda w: connections.append([w, w.connect_to_server()]))
    page.reload()
    expect(page.locator("#app")).to_have_attribute("data-ready", "1")
    go_on(page, 5)
    expect_day(page, 5.0)
    for side in connections[-1]:
        side.close()  # pyright: ignore[reportAttributeAccessIssue]
    expect(page.locator("#lost")).to_be_visible()
    expect(page.locator("#connect-now")).to_be_visible()
    expect(page.locator("#lost")).to_be_hidden()
    expect_day(page, 5.0)
    page.locator("#copy-0 .give-now").click()
    expect(page.locator("#copy-0 .by-hand li")).to_have_count(2)
    expect_day(page, 5.0)


def test_panels_with_different_circuits_show_each_its_own_regions(open_page: OpenPage) -> None:
    page = open_page("neurons=200&a=ssri-like&b=ssri-like-with-habenula&day=3")
    expect_day(page, 3.0)
    for copy in (0, 1):
        page.locator(f"#copy-{copy} summary").click()
    expect(page.locator("#copy-1 .numbers")).to_contain_text("LHb")
    expect(page.locator("#copy-0 .numbers")).not_to_contain_text("LHb")


def test_a_drug_file_of_ones_own_is_offered_to_its_own_copy(open_page: OpenPage) -> None:
    failing = (Path(__file__).parent / "failing.yaml").as_posix()
    page = open_page(f"neurons=200&a=untreated&c={failing}")
    expect(page.locator("#copy-1 .drug")).to_have_value("failing-drug.yaml")


def test_the_page_runs_under_its_own_security_policy(open_page: OpenPage) -> None:
    page = open_page(bypass_csp=False)
    page.locator("#step-day").click()
    expect(page.locator("#clock")).to_have_text("day 1, 00:00")
