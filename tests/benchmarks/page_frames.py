"""Frames per second of the browser page, with a server that computes and one that has finished.

    python tests/benchmarks/page_frames.py              print the table
    python tests/benchmarks/page_frames.py --write      and put it into docs/explanation/accuracy-and-speed.md

Three copies of one patient are played in Chromium without a window. Let no other program run meanwhile.
"""

# pyright: reportMissingImports=false

import argparse
import statistics
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from page_server import CHROMIUM, Server, start_server
from playwright.sync_api import Browser, Page, sync_playwright

DOCS = Path(__file__).parents[2] / "docs"
TABLE = DOCS / "explanation" / "accuracy-and-speed.md"
FIRST, LAST = "<!-- tests/benchmarks/page_frames.py writes this table -->\n\n", "\n<!-- end of the table -->"
SECONDS = 6
NEURONS = (500, 3_000)
SPEEDS = {"1 day per second": 4, "1 week per second": 7}  # places of the slider
COPIES = {"a": "untreated", "b": "ssri-like", "c": "ketamine-like"}
LONGEST_MS = 1_800_000
HEAD = (
    "| neurons per copy | speed | server | median frames per second | slowest 1 % of frames | days shown |\n"
    "|---|---|---|---|---|---|\n"
)
# Times (ms) of all frames of the screen, and the days that went by on the page.
WATCH = """seconds => new Promise(done => {
  const { player } = document.getElementById('app'), times = [], first = player.day;
  const frame = now => {
    times.push(now);
    if (now - times[0] < 1000 * seconds) requestAnimationFrame(frame); else done([times, player.day - first]);
  };
  requestAnimationFrame(frame);
})"""


def measured(page: Page, place: int) -> str:
    """Play from day 0 at a speed: median frames per second, slowest 1 % of frames, days shown."""
    page.locator("#go-stuck").click()
    page.locator("#speed").evaluate(
        "(s, v) => { s.value = v; s.dispatchEvent(new Event('input', { bubbles: true })) }", place
    )
    page.locator("#play").click()
    times, days = page.evaluate(WATCH, SECONDS)
    page.locator("#play").click()
    lengths = [later - before for before, later in pairwise(times)]
    slowest = statistics.quantiles(lengths, n=100)[-1]
    return f"{1000 / statistics.median(lengths):.0f} | {slowest:.0f} ms | {days:.0f}"


def rows(browser: Browser, server: Server, neurons: int) -> Iterator[str]:
    """Rows of the table for one size; every speed has a patient that the server has to compute first."""
    for patient, (speed, place) in enumerate(SPEEDS.items()):
        page = browser.new_page(viewport={"width": 1280, "height": 720}, bypass_csp=True)
        page.set_default_timeout(LONGEST_MS)
        page.goto(
            f"{server.origin}/?{urlencode({'seed': 1, 'patient': patient, 'neurons': neurons} | COPIES)}"
        )
        page.wait_for_function("document.getElementById('app').dataset.ready === '1'")
        yield f"| {neurons:,} | {speed} | computing | {measured(page, place)} |\n"
        page.wait_for_function(
            "document.getElementById('app').dataset.until == document.getElementById('app').player.show.last"
        )
        yield f"| {neurons:,} | {speed} | finished | {measured(page, place)} |\n"
        page.close()


def table() -> str:
    """Measure all rows."""
    server = start_server(*COPIES.values(), "--neurons", "100")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            return HEAD + "".join(row for neurons in NEURONS for row in rows(browser, server, neurons))
    finally:
        server.stop()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="put the table into the docs")
    asked = parser.parse_args()
    found = table()
    print(found)
    if asked.write:
        before, _, rest = TABLE.read_text(encoding="utf-8").partition(FIRST)
        TABLE.write_text(before + FIRST + found + LAST + rest.partition(LAST)[2], encoding="utf-8")


if __name__ == "__main__":
    main()
