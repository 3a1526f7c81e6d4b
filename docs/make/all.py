"""Make every generated page and figure of the docs again: `python docs/make/all.py [PAGE ...]`.

    python docs/make/all.py --list      pages, their files, and which are out of date
    python docs/make/all.py             all of them (the time per page is printed)
    python docs/make/all.py shelf       one of them
    python docs/make/all.py --accept    keep the pages, note today's quick runs (quick_runs.py) with them

Only docs/images/view.png is made by hand: a screenshot of `unstuck view`.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import circuits
import evidence
import example_page
import landscape
import model_description
import performance
import quick_runs
import reference_pages
import shelf
import trials
import tutorial
from quick_runs import DOCS
from unstuck_analysis.study.processes import available_cores


@dataclass(frozen=True)
class Page:
    """Generated files that are made together, and the function that makes them with so many processes.

    measured: whether they depend on numbers of the model; otherwise a test compares them with the program.
    """

    name: str
    files: tuple[str, ...]
    make: Callable[[int], None]
    measured: bool = True


PAGES = (
    Page("model-description", ("model-description.md",), model_description.make),
    Page("recovery", ("images/recovery.png", "images/loop.png"), shelf.make_recovery),
    Page("connectivity", ("images/functional-connectivity.png",), landscape.make_connectivity),
    Page(
        "landscape",
        ("landscape.md", *(f"images/{name}.png" for name in landscape.FIGURES)),
        landscape.make,
    ),
    Page("shelf", ("drug-shelf.md", "images/shelf.png", "images/dose-occupancy.png"), shelf.make),
    Page(
        "reference",
        tuple(f"reference/{name}.md" for name in reference_pages.PAGES),
        reference_pages.make,
        False,
    ),
    Page("tutorial", tutorial.FILES, tutorial.make),
    Page("trials", ("explanation/trials.md",), trials.make),
    Page("example-page", (example_page.FILE,), example_page.make),
    Page("circuits", circuits.FILES, circuits.make),
    Page(
        "performance",
        ("performance.md", *(f"images/{name}.png" for name in performance.FIGURES)),
        performance.make,
        False,
    ),
    Page("evidence", ("evidence.md", "evidence.csv", "images/findings.png"), evidence.make),
)


def make(pages: Sequence[Page], workers: int) -> None:
    """Make pages, printing the time each takes, and note the outcomes of the quick runs with each."""
    numbers = quick_runs.measure()
    for page in pages:
        print(f"{page.name}: {', '.join(page.files)}", end=" ", flush=True)
        started = time.monotonic()
        page.make(workers)
        if page.measured:
            quick_runs.keep(page.name, page.files, numbers)
        print(f"({time.monotonic() - started:.0f} s)", flush=True)


def show(pages: Sequence[Page]) -> None:
    """Print a line per page: up to date or not, and its files with their digest."""
    old, kept = quick_runs.out_of_date(quick_runs.measure()), quick_runs.read_kept()["pages"]
    for page in (page for page in pages if page.measured):
        state = "never made" if page.name not in kept else "out of date" if page.name in old else "up to date"
        files = ", ".join(
            f"{path} {quick_runs.digest(path)}" for path in page.files if (DOCS / path).exists()
        )
        print(f"{page.name}: {state}: {files}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pages", nargs="*", metavar="PAGE", help=", ".join(page.name for page in PAGES))
    parser.add_argument("--list", action="store_true", help="say which pages are out of date")
    parser.add_argument("--accept", action="store_true", help="make nothing; note today's quick runs")
    parser.add_argument("--workers", type=int, default=available_cores(), help="processes")
    asked = parser.parse_args()
    if unknown := set(asked.pages) - {page.name for page in PAGES}:
        parser.error(f"no page {', '.join(sorted(unknown))}: {', '.join(page.name for page in PAGES)}")
    pages = [page for page in PAGES if page.name in asked.pages or not asked.pages]
    if asked.list:
        show(pages)
    elif asked.accept:
        numbers = quick_runs.measure()
        for page in (page for page in pages if page.measured):
            quick_runs.keep(page.name, page.files, numbers)
    else:
        make(pages, asked.workers)


if __name__ == "__main__":
    main()
