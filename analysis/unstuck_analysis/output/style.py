"""How figures look and how they are saved: colours, line styles, one set of matplotlib settings.

Colours are Okabe & Ito 2008; every colour comes with its own line style, so that print in grey works too.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

from unstuck_analysis.output.files import write_whole

if TYPE_CHECKING:
    import pandas as pd

INK, FAINT = "#222222", "#b8b8b8"
PALETTE = ("#6b6b6b", "#0072B2", "#56B4E9", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#8a6d00", "#332288")
DASHES: tuple[str | tuple[int, tuple[float, ...]], ...] = (
    "-",
    (0, (5, 2)),
    (0, (2, 1)),
    (0, (8, 2, 2, 2)),
    (0, (12, 3)),
    (0, (4, 1, 1, 1, 1, 1)),
    (0, (1, 1.5)),
    (0, (8, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5)),
    (0, (6, 5)),
)  # as many as colours: every colour has its own

STYLE: dict[Any, Any] = {
    "figure.dpi": 100,
    "savefig.dpi": 160,
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "svg.hashsalt": "unstuck",
    "text.parse_math": False,  # a file may be called a$x^$.yaml
}


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw with the house style, leaving the caller's matplotlib as it was."""

    def drawn(*args: object, **kwargs: object) -> Figure:
        with mpl.rc_context(STYLE):
            return draw(*args, **kwargs)

    drawn.__doc__ = draw.__doc__
    return drawn


def look(position: int) -> dict[str, Any]:
    """Colour and line style of the treatment at a position; a pair comes back only after 81 treatments."""
    lap, place = divmod(position, len(PALETTE))
    return {"color": PALETTE[place], "linestyle": DASHES[(place + lap) % len(DASHES)]}


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure whole or not at all; the format follows the suffix."""
    write_whole(path, figure_bytes(figure, path.suffix.lstrip(".")))


def figure_bytes(figure: Figure, kind: str) -> bytes:
    """The figure as PNG or SVG, without a date, so that the same figure is the same file."""
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return buffer.getvalue()


def html_of(table: "pd.DataFrame", figure: Figure | None) -> str:
    """A table, and a figure below it, as HTML for notebooks."""
    drawn = "" if figure is None else figure_bytes(figure, "svg").decode()
    return f"{table.to_html(index=False)}\n{drawn[drawn.find('<svg') :] if drawn else ''}"
