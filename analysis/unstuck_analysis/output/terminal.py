"""What commands show on a terminal: progress, and results as a table of at most 80 columns."""

import contextlib
import re
import sys
from collections.abc import Callable, Iterator
from math import isfinite
from time import monotonic
from typing import TYPE_CHECKING, Any

from unstuck_analysis.defaults import HIGHEST_SEED
from unstuck_analysis.output.table import plural

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from unstuck_analysis.compare import Comparison

FEW_PATIENTS = 5  # with fewer patients an interval means little
LEGEND = """
onset: median first day with R of at least 0.5 (0 stuck, 1 healthy); -: none
recovered, remitted: % of patients with R of at least 0.5, 0.8 on {endpoint}
relapsed: % of the patients with an onset
still rec.: % of patients still recovered twelve weeks after the drug has left
the body, of those followed so long
{region} firing: on {endpoint}, relative to health
R vs: difference in R on {endpoint} between treatments of the same patients
"""


def say(message: str) -> None:
    """A line for people, on standard error, so that standard output stays machine-readable."""
    print(message, file=sys.stderr, flush=True)


def whole_seed(text: object) -> int:
    """A seed as typed: 1.0 is no whole number, though typer takes it for one."""
    from typer import BadParameter

    if not re.fullmatch(r"[0-9]{1,10}", str(text)) or int(str(text)) > HIGHEST_SEED:
        raise BadParameter(f"must be a whole number from 0 to {HIGHEST_SEED}, not {str(text)!r}")
    return int(str(text))


def console() -> "Console":
    """Standard output for tables and text."""
    from rich.console import Console

    return Console(highlight=False, markup=False)


@contextlib.contextmanager
def progress(what: str, total: int) -> Iterator["Callable[[object], None]"]:
    """A bar with time left on a terminal, plain lines elsewhere; always on standard error."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda result: bar.advance(task)
        return
    started, done = monotonic(), 0

    def advance(result: object) -> None:
        nonlocal done
        done += 1
        left_s = (monotonic() - started) / done * (total - done)
        say(f"{done} of {total} {what}, {left_s:.0f} s left")

    yield advance


def summary_text(comparison: "Comparison") -> str:
    """The summary of a comparison, one line per treatment; the report has the long names."""
    from rich import box
    from rich.table import Table

    from unstuck_analysis.compare import summary

    first, region = comparison.treatments[0].name, comparison.overactive_region
    counts = list(dict.fromkeys(len(comparison.arm(t.name)) for t in comparison.treatments))
    several = f"{' or '.join(map(str, counts))} stuck patients"
    stuck = plural(counts[0], "stuck patient") if len(counts) == 1 else several
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    table.add_column("\ntreatment", overflow="fold")
    shares = ("recov-\nered", "remit-\nted", "re-\nlapsed", "still\nrec.")
    for header in ("onset\n(d)", *shares, f"{region}\nfiring"):
        table.add_column(header, justify="right", no_wrap=True)
    versus = first if len(first) <= 12 else "first arm"
    table.add_column(f"R vs {versus}\n(95 %)", justify="right", no_wrap=True)
    for number, arm in enumerate(summary(comparison)["arms"]):
        table.add_row(*_summary_row(arm), format_interval(arm["difference"]) if number else "")
    out = console()
    with out.capture() as captured:
        out.print(f"{stuck} of {comparison.patients} (seed {comparison.seed})\n")
        out.print(table)
        out.print(LEGEND.format(endpoint=comparison.endpoint, region=region).rstrip())
        if min(counts) < FEW_PATIENTS:
            out.print(f"Fewer than {FEW_PATIENTS} stuck patients: shares and intervals mean little.")
    return captured.get().rstrip()


def _summary_row(arm: dict[str, Any]) -> list[str]:
    shares = ("recovered_share", "remitted_share", "relapsed_share", "still_recovered_share")
    return [
        arm["treatment"],
        format_number(arm["onset_day_median"], ".1f"),
        *(format_number(arm[share] and 100 * arm[share], ".0f") for share in shares),
        format_number(arm["overactive_activity"], ".2f"),
    ]


def format_number(value: float | None, form: str) -> str:
    """A number in a format; `-` for None."""
    return "-" if value is None else format(value, form)


def format_interval(difference: dict[str, float | None]) -> str:
    """A paired difference with its interval; `-` where there is none."""
    if difference["mean"] is None:
        return "-"
    mean, low, high = (round(difference[key] or 0.0, 2) + 0.0 for key in ("mean", "low", "high"))
    return f"{mean:+.2f}" if difference["low"] is None else f"{mean:+.2f} ({low:.2f}, {high:.2f})"


def patient_text(found: dict[str, Any], title: str, stuck: float | None) -> str:
    """The outcomes of one patient in a few lines. stuck: connectivity of a patient who was not stuck."""
    head = f"Patient {found['patient']} (seed {found['seed']}): {title}"
    if stuck is not None:
        reason = f"connectivity {stuck:.2f} of health on day 0"
        return f"{head}\nThis patient did not become stuck ({reason}). Recovery is not defined."
    onset = "none" if found["onset_day"] is None else f"day {found['onset_day']:.1f}"
    return "\n".join(
        [
            head,
            f"Onset: {onset}; time recovered: {found['recovered_days']:.0f} days",
            f"Remitted on the endpoint day: {_yes(found['remitted'])}; relapsed: {_yes(found['relapsed'])};",
            f"still recovered 12 weeks after the drug: {_yes(found['still_recovered'])}",
        ]
    )


def _yes(answer: bool | None) -> str:
    return "not followed so long" if answer is None else "yes" if answer else "no"


def records(table: "pd.DataFrame") -> list[dict[str, object]]:
    """Rows as JSON can say them: null for what is not finite."""
    return [
        {
            str(key): None if isinstance(value, float) and not isfinite(value) else value
            for key, value in row.items()
        }
        for row in table.to_dict("records")
    ]
