"""The page as one file: opened from disk with the network off, and in a notebook."""

# pyright: reportMissingImports=false
# ruff: noqa: E402 (the module is skipped first where something is missing)

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from page_server import skip_without

skip_without("playwright")

from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
NewPage = Callable[..., Page]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve weeks of three copies of 500 neurons as one file."""
    file = tmp_path_factory.mktemp("exported") / "page.html"
    command = [sys.executable, "-m", "unstuck_analysis", "view", "--export", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return file


def open_file(new_page: NewPage, file: Path, **options: object) -> Page:
    """Open a file with the network off."""
    page = new_page(offline=True, **options)
    page.goto(file.as_uri())
    expect(page.locator("#app")).to_have_attribute("data-ready", "1")
    return page


def test_one_file_of_at_most_one_megabyte_plays_without_a_server(new_page: NewPage, exported: Path) -> None:
    assert exported.stat().st_size < 1_000_000
    page = open_file(new_page, exported)
    page.locator("#go-12-weeks").click()
    expect(page.locator("#copy-1 .badge")).to_contain_text(re.compile(r"recovery [56]\d %"))
    page.locator("#go-stuck").click()
    page.locator("#play").click()
    page.wait_for_function("+document.getElementById('app').dataset.day > 1")
    expect(page.locator("#app")).to_have_attribute("data-playing", "true")


def test_the_file_has_its_phone_layout_and_canvases_painted_to_their_edges(
    new_page: NewPage, exported: Path
) -> None:
    page = open_file(new_page, exported, viewport={"width": 391, "height": 844}, device_scale_factor=1.5)
    for part in ("#play", "#recovery"):
        box = page.locator(part).bounding_box()
        assert box is not None
        assert 0 <= box["y"] <= 844 - box["height"] + 1
    edge = "c => c.getContext('2d').getImageData(c.width - 1, c.height >> 1, 1, 1).data[3]"
    assert [page.locator(f"#{name}").evaluate(edge) for name in ("recovery", "small", "key")] == [255] * 3


def test_the_file_shows_no_control_that_needs_the_server(new_page: NewPage, exported: Path) -> None:
    page = open_file(new_page, exported)
    for hidden in ("#copy-0 .give-now", "#copy-0 .treatment", "#reset", "#apply-patient", "#lost"):
        expect(page.locator(hidden)).to_be_hidden()
    page.locator("#set-up summary").click()
    expect(page.locator("#save-page")).to_be_hidden()
    with page.expect_download() as waiting:
        page.locator("#save-png").click()
    assert Path(waiting.value.path()).read_bytes()[:4] == b"\x89PNG"


def test_the_file_runs_under_a_policy_that_forbids_every_request(new_page: NewPage, exported: Path) -> None:
    assert "default-src 'none'" in exported.read_text(encoding="utf-8")[:600]
    assert "connect-src 'none'" in exported.read_text(encoding="utf-8")[:600]
    page = open_file(new_page, exported, bypass_csp=False)
    page.locator("#step-day").click()
    expect(page.locator("#clock")).to_have_text("day 1, 00:00")


def test_a_story_is_written_to_one_file_and_plays_there(new_page: NewPage, tmp_path: Path) -> None:
    file = tmp_path / "story.html"
    command = [
        sys.executable,
        "-m",
        "unstuck_analysis",
        "view",
        "--story",
        "serotonin-first",
        "--export",
        str(file),
    ]
    subprocess.run(command, check=True, timeout=300, capture_output=True)
    page = open_file(new_page, file, reduced_motion="reduce")  # so that each scene waits
    expect(page.locator("#caption")).to_contain_text("The first week of an SSRI-like drug")
    page.emulate_media(reduced_motion="no-preference")
    page.locator("#story-next").click()
    expect(page.locator("#caption")).to_contain_text("In the ten weeks that follow", timeout=90_000)
    expect(page.locator("#story-command")).to_have_text("unstuck view --story serotonin-first")


def test_a_notebook_shows_the_page_in_a_frame_and_keeps_its_own_keys_and_address(
    new_page: NewPage, tmp_path: Path
) -> None:
    import unstuck

    frame = unstuck.view("untreated", neurons=100, days=7)._repr_html_()  # pyright: ignore[reportPrivateUsage]
    notebook = tmp_path / "notebook.html"
    listens = "window.keys = []; addEventListener('keydown', e => keys.push(e.key))"
    text = f"<!doctype html><script>{listens}</script><textarea></textarea>"
    notebook.write_text(text + frame, encoding="utf-8")
    page = new_page(offline=True)
    page.goto(notebook.as_uri())
    inside = page.frame_locator("iframe")
    expect(inside.locator("#app")).to_have_attribute("data-ready", "1")
    page.locator("textarea").press(" ")
    expect(inside.locator("#app")).not_to_have_attribute("data-playing", "true")
    inside.locator("#step-day").click()
    expect(inside.locator("#clock")).to_have_text("day 1, 00:00")
    assert page.evaluate("keys") == [" "]
    assert page.url == notebook.as_uri()
