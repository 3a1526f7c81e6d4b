"""Stories in the live page."""

# pyright: reportMissingImports=false
# ruff: noqa: E402 (the module is skipped first where something is missing)

import re
from collections.abc import Callable

import pytest
from page_server import skip_without

skip_without("playwright", "starlette", "uvicorn", "websockets")

from playwright.sync_api import Page, expect
from unstuck.files.find import shipped
from unstuck_analysis.view.stories import read_story

pytestmark = pytest.mark.browser
OpenPage = Callable[..., Page]


def choose(page: Page, title: str) -> None:
    """Choose a story by its title."""
    page.locator("#open-stories").click()
    page.get_by_role("button", name=title).click()


# Notes what is shown whenever the page starts or stops to play: a test on a busy machine may look too late.
WATCH = """() => { const app = document.getElementById('app'), { player } = app;
  window.seen = [];
  new MutationObserver(() => seen.push([document.getElementById('story-place').textContent,
    app.dataset.playing, Math.round(player.day), player.pointAt?.name]))
    .observe(app, { attributeFilter: ['data-playing'] }); }"""


def test_a_story_plays_its_scenes_pauses_between_them_and_points(open_page: OpenPage) -> None:
    page = open_page()
    page.evaluate(WATCH)
    choose(page, "A ketamine-like drug is fast and fades")
    expect(page.locator("#story-place")).to_have_text("3 of 3", timeout=90_000)
    expect(page.locator("#clock")).to_have_text("day 42, 00:00", timeout=90_000)
    expect(page.locator("#caption")).to_contain_text("New connections that are not consolidated fade")
    expect(page.locator("#story-command")).to_have_text("unstuck view --story fast-and-fading")
    seen = page.evaluate("seen")
    assert ["1 of 3", "true", 0, "mPFC"] in seen
    assert ["1 of 3", "false", 1, "mPFC"] in seen  # the pause after the first scene
    assert ["2 of 3", "false", 4, "recovery"] in seen


def test_a_story_can_be_paused_also_while_it_loads_gone_through_and_left(open_page: OpenPage) -> None:
    page = open_page()
    choose(page, "Two weeks are too short")
    page.keyboard.press(" ")
    expect(page.locator("#story-place")).to_have_text("1 of 3")
    expect(page.locator("#app")).to_have_attribute("data-playing", "false")
    page.keyboard.press(" ")
    expect(page.locator("#app")).to_have_attribute("data-playing", "true")
    page.keyboard.press(" ")
    expect(page.locator("#app")).to_have_attribute("data-playing", "false")
    page.locator("#story-next").click()
    expect(page.locator("#story-place")).not_to_have_text("1 of 3")
    page.locator("#story-back").click()
    page.locator("#story-leave").click()
    expect(page.locator("#story")).to_be_hidden()
    page.locator("#step-day").click()
    expect(page.locator("#play")).to_have_text("▶ Play")


def test_the_landscape_is_beside_the_story_of_getting_stuck(open_page: OpenPage) -> None:
    page = open_page(reduced_motion="reduce")
    choose(page, "A circuit gets stuck")
    expect(page.locator("#story-place")).to_have_text("1 of 4")
    picture = page.locator("#landscape-picture")
    page.locator("#go-stuck").click()
    expect(picture).to_have_attribute(
        "aria-label", re.compile("Connectivity 5. %, scar [67]. %"), timeout=90_000
    )
    page.wait_for_function("document.getElementById('app').landscape.line.length === 11")
    line = dict(page.evaluate("document.getElementById('app').landscape.line"))
    assert line[0] == pytest.approx(1.0, abs=0.01)
    assert line[1] < 0.6
    page.locator("#story-leave").click()
    expect(picture).to_be_hidden()


@pytest.mark.slow
def test_the_story_of_getting_stuck_begins_in_health(open_page: OpenPage) -> None:
    page = open_page()
    choose(page, "A circuit gets stuck")
    page.wait_for_function("+document.getElementById('app').dataset.day < -90")
    page.wait_for_function("+document.getElementById('app').dataset.day >= -60", timeout=90_000)


@pytest.mark.parametrize("name", sorted(shipped("stories")))
def test_every_story_can_be_played_in_fifteen_seconds(name: str) -> None:
    story = read_story(shipped("stories")[name])
    assert sum(scene.seconds for scene in story.scenes) <= 15
