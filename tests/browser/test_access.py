"""The page for everyone: without a mouse, without sight, on small screens, without motion."""

# pyright: reportMissingImports=false
# ruff: noqa: E402 (the module is skipped first where something is missing)

import re
from collections.abc import Callable

import pytest
from page_server import skip_without

skip_without("playwright", "starlette", "uvicorn", "websockets", "axe_playwright_python")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
OpenPage = Callable[..., Page]


def violations(page: Page) -> list[str]:
    """Rules of axe that the page violates now, with the first element of each."""
    found = Axe().run(page).response["violations"]
    return [f"{rule['id']}: {rule['nodes'][0]['html'][:120]}" for rule in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(open_page: OpenPage, scheme: str) -> None:
    page = open_page(
        more="&b.give=0+ketamine-like&b.stress=24-48", color_scheme=scheme, reduced_motion="reduce"
    )
    for copy in range(3):
        page.locator(f"#copy-{copy} summary").click()
    page.locator("#copy-1 tbody button").first.click()
    page.locator("#what-if summary").click()
    expect(page.locator("#what-says")).not_to_be_empty()
    assert violations(page) == []
    page.locator("#set-up summary").click()
    assert violations(page) == []
    page.keyboard.press("Escape")
    for button in ("#open-about", "#open-stories", "#copy-0 .treatment"):
        page.locator(button).click()
        assert violations(page) == []
        page.keyboard.press("Escape")


def test_axe_finds_no_violation_in_a_story_and_next_to_a_refused_text(open_page: OpenPage) -> None:
    page = open_page(reduced_motion="reduce")
    page.locator("#copy-0 .amount").fill("much")
    page.locator("#copy-0 .give-now").click()
    expect(page.locator("#copy-0 .error")).not_to_be_empty()
    page.locator("#open-stories").click()
    page.locator("#story-list button").first.click()
    expect(page.locator("#caption")).not_to_be_empty()
    assert violations(page) == []


def test_everything_is_reached_and_used_by_keyboard_alone(open_page: OpenPage) -> None:
    page = open_page("seed=1&patient=0&neurons=200&a=untreated")
    page.locator("#copy-0 summary").press("Enter")
    page.get_by_role("button", name="mPFC_P → NAc_P").press("Enter")
    expect(page.locator("#copy-0 .detail")).to_contain_text("strength")
    page.get_by_role("button", name="mPFC", exact=True).press("Enter")
    expect(page.locator("#copy-0 .detail")).to_contain_text("medial prefrontal cortex")
    page.locator("#copy-0 .numbers input").fill("3")
    page.locator("#copy-0 .numbers input").press("Enter")
    expect(page.locator("#copy-0 .detail")).to_contain_text("pyramidal neuron 3")
    page.locator("#scrub").focus()
    before = page.locator("#clock").text_content()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#clock")).not_to_have_text(before or "")
    page.locator("#open-about").press("Enter")
    expect(page.get_by_role("dialog", name="What is this model?")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#open-about")).to_be_focused()


def test_tables_say_in_numbers_what_the_picture_shows(open_page: OpenPage) -> None:
    page = open_page("seed=1&patient=0&neurons=200&a=untreated&b=ssri-like")
    page.locator("#copy-1 summary").click()
    row = page.locator("#copy-1 tr", has_text="mPFC").first
    expect(row.locator("td").nth(1)).to_have_text(re.compile("(9.|100) %"))
    page.locator("#go-12-weeks").click()
    expect(row.locator("td").nth(1)).to_have_text(re.compile(r"[2-9]\d\d %"))


def test_recovery_and_pauses_are_announced(open_page: OpenPage) -> None:
    page = open_page("seed=1&patient=0&neurons=200&a=ketamine-like")
    page.locator("#play").click()
    expect(page.locator("#announce")).to_have_text(re.compile("copy A has recovered to 50 %"))
    page.locator("#play").click()
    expect(page.locator("#announce")).to_have_text(re.compile(r"day \d+, \d\d:00. A: recovery \d+ %"))


def test_reduced_motion_shows_the_end_of_each_scene_and_waits(open_page: OpenPage) -> None:
    page = open_page(reduced_motion="reduce")
    page.locator("#open-stories").click()
    page.get_by_role("button", name="Two weeks are too short").click()
    expect(page.locator("#clock")).to_have_text("day 14, 00:00")
    expect(page.locator("#app")).to_have_attribute("data-playing", "false")
    page.locator("#story-next").click()
    expect(page.locator("#clock")).to_have_text("day 21, 00:00")


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2)."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast of two colours (WCAG 2)."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lines_with_meaning_and_texts_on_canvas_have_enough_contrast(
    open_page: OpenPage, scheme: str
) -> None:
    page = open_page(color_scheme=scheme)
    pal = page.evaluate("document.getElementById('app').colours()")
    for ground in (pal["back"], pal["brain"]):
        for line in (pal["pipe"], pal["loop"], pal["control"], pal["amber"], pal["accent"], *pal["panels"]):
            assert contrast(line, ground) >= 3.0
        for text in (pal["text"], pal["faint"], *pal["panels"]):
            assert contrast(text, ground) >= 4.5


# Smallest distance (px) of a region's name from a connection.
NAMES = """() => { const { layout } = document.getElementById('app').player.views[0].picture;
  const bands = layout.bands.flatMap(band => band.points), names = layout.regions.flatMap(
    ({ nameX, nameY }) => [-32, 0, 32].map(aside => [nameX + aside, nameY - 4]));
  const gaps = names.flatMap(([a, b]) => bands.map(([x, y]) => Math.hypot(x - a, y - b)));
  return Math.min(...gaps) - layout.thick / 2; }"""
SIZES = [(1280, 720), (1024, 768), (1280, 600), (1920, 1080)]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_copies_play_and_curves_fit_on_a_screen_and_names_cover_no_connection(
    open_page: OpenPage, width: int, height: int
) -> None:
    page = open_page(viewport={"width": width, "height": height})
    for part in ("#copy-0 .net", "#play", "#recovery", "#scrub", "#small"):
        box = page.locator(part).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= height + 1, part
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(NAMES) > 5


@pytest.mark.parametrize("scrolled", [0, 900])
def test_on_a_phone_play_and_the_curve_are_always_together(open_page: OpenPage, scrolled: int) -> None:
    page = open_page(viewport={"width": 390, "height": 844}, device_scale_factor=2)
    page.locator("#what-if summary").click()
    page.evaluate("y => scrollTo(0, y)", scrolled)
    for part in ("#play", "#recovery", "#scrub"):
        box = page.locator(part).bounding_box()
        assert box is not None
        assert 0 <= box["y"] <= 844 - box["height"] + 1, part
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_canvases_have_the_colours_of_the_theme(open_page: OpenPage, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    back = page.locator("#recovery").evaluate(
        "c => c.getContext('2d').getImageData(2, c.height - 3, 1, 1).data[0]"
    )
    assert (back < 60) == (scheme == "dark")
