"""One self-contained HTML page: no outside reference, readable at 1,280 pixels and in print."""

import base64
from collections.abc import Iterable, Mapping
from html import escape

from matplotlib.figure import Figure

from unstuck_analysis.output.style import figure_bytes

NOTICE = (
    "<strong>A model, not medical advice.</strong> These are simulated circuits. Nothing here says what a"
    " person should take or stop taking."
)
LIMITS = [
    "Rates are averages over seconds: there are no spikes, no oscillations and no sleep.",
    "There is no dopamine. Noradrenaline has no effect on firing and BDNF. Glia, sex and age are absent.",
    "Only ratios of serotonin to health mean something: methods that measure it differ 10 to 100 fold.",
    "Many parameters were fitted to group averages; several sets would fit as well.",
    "The patients are draws around one parameter set, not a sample of people.",
]
NO_PLACEBO = (
    "No placebo response is modelled. In trials 35 to 40 % of patients respond to placebo (Furukawa 2016), so"
    " shares here are not comparable with raw response rates; compare differences from untreated."
)
LARGEST_SVG = 1_000_000  # bytes; a larger figure, such as years of readings, is a PNG
WORDS = {
    "stuck": "A patient is stuck if C is at most 0.85 on day 0, sixty days after the end of the stress.",
    "connectivity C": "Mean strength of the connections between mPFC, HPC and NAc, relative to health (1 is"
    " healthy).",
    "recovery R": "The share of lost connection strength that has returned: 0 is stuck, 1 is healthy. R is"
    " not a symptom score.",
    "recovered": "R is at least 0.5.",
    "remitted": "R is at least 0.8.",
    "onset": "The first day on which a patient is recovered.",
    "relapsed": "Recovered once, later below 0.5 on two days in a row.",
    "still recovered": "R is at least 0.5 twelve weeks after the drug has left the body.",
    "endpoint": "The day on which outcomes are read: day 84, unless the treatment file says otherwise.",
    "day 0": "The start of the treatment. Everything before it is stress and rest.",
    "scar": "Lasting repression of BDNF synthesis after stress (0 to 1). It heals where TrkB signals. In"
    " cells whose inputs grow under stress it raises BDNF synthesis instead, and heals where TrkB is quiet.",
}  # as in docs/glossary.md
_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.55 system-ui, "Segoe UI", Roboto, sans-serif; color: #222; background: #fff; margin: 0; }
main { margin: 0 auto; max-width: 72rem; padding: 1.5rem; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; } h2 { font-size: 1.2rem; margin: 2.4rem 0 .5rem; }
.lead, .notice, p, ul { max-width: 52rem; }
.notice { border-left: 4px solid #D55E00; background: #fdf4ec; padding: .6rem 1rem; }
figure { margin: 1rem 0; } figure img { width: 100%; height: auto; }
figcaption, caption, .small { color: #555; font-size: .88rem; text-align: left; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; max-width: 100%; }
th, td { padding: .35rem .6rem; text-align: left; vertical-align: top; border-bottom: 1px solid #e2e2e2;
  overflow-wrap: anywhere; }
tbody th { min-width: 8.5rem; }
thead th { border-bottom: 2px solid #888; vertical-align: bottom; overflow-wrap: normal; }
code, pre { font: .88rem ui-monospace, Menlo, Consolas, monospace; background: #f5f5f5; }
pre { padding: .7rem 1rem; white-space: pre-wrap; } dt { font-weight: 600; }
dd { margin: 0 0 .5rem 1rem; white-space: pre-line; } summary { cursor: pointer; margin-top: 1.5rem; }
.swatch { display: inline-block; width: .8rem; height: .8rem; border-radius: 2px; margin-right: .5rem; }
@media print {
  details > * { display: block; } figure, tr { break-inside: avoid; } main { padding: 0; }
  table { font-size: .7rem; } th, td { padding: .2rem .25rem; } tbody th { min-width: 0; }
}
"""


def page(title: str, lead: str, parts: Iterable[str]) -> str:
    """A whole page: title, one paragraph, the notice, then parts made by the functions below."""
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<h1>{escape(title)}</h1>\n<p class="lead">{escape(lead)}</p>\n<p class="notice">{NOTICE}</p>\n'
        f"{body}\n</main>\n</body>\n</html>\n"
    )


def heading(text: str) -> str:
    """The heading of a section."""
    return f"<h2>{escape(text)}</h2>"


def paragraph(text: str) -> str:
    """A paragraph."""
    return f"<p>{escape(text)}</p>"


def bullets(lines: Iterable[str]) -> str:
    """A list; nothing for no lines."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def picture(figure: Figure, caption: str, alternative: str) -> str:
    """A figure inside the page. alternative: the result in words, for readers who do not see the figure."""
    drawn, kind = figure_bytes(figure, "svg"), "svg+xml"
    if len(drawn) > LARGEST_SVG:
        drawn, kind = figure_bytes(figure, "png"), "png"
    data = base64.b64encode(drawn).decode()
    image = f'<img src="data:image/{kind};base64,{data}" alt="{escape(alternative)}">'
    return f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"


def facts(pairs: Mapping[str, str]) -> str:
    """A definition list."""
    rows = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in pairs.items())
    return f"<dl>{rows}</dl>"


def fold(summary: str, pairs: Mapping[str, str]) -> str:
    """A definition list that opens on a click."""
    return f"<details><summary>{escape(summary)}</summary>{facts(pairs)}</details>"


def code(text: str) -> str:
    """A command or a file, to be copied."""
    return f"<pre>{escape(text)}</pre>"
