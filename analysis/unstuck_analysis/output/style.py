"""How figures look and how they are saved: colours, line styles, one set of matplotlib settings.

Every colour has a contrast of at least 4.5 with white, so that names can be written in it. Any two differ by
at least 19 in CIELAB for normal, red-blind and green-blind readers (Machado 2009, 10.1109/TVCG.2009.113).
Each comes with its own line style, so that print in grey works too.
"""

import io
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

from unstuck_analysis.defaults import UNTREATED
from unstuck_analysis.output.files import write_whole

if TYPE_CHECKING:
    import pandas as pd

INK, FAINT, SOFT = "#222222", "#b8b8b8", "#666666"  # text and axes, thin lines, small text
PALETTE = ("#6b6b6b", "#017caa", "#c24900", "#075733", "#732364", "#5d69d1", "#717b45", "#23208e", "#6b0306")
_SALT = b"2975"  # of the colours of names: with it the default treatments differ
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


@contextmanager
def house_style() -> Iterator[None]:
    """Use the house style only: nothing of the user's matplotlibrc, and nothing of ours afterwards."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw with the house style, leaving the caller's matplotlib as it was."""

    def drawn(*args: object, **kwargs: object) -> Figure:
        with house_style():
            return draw(*args, **kwargs)

    drawn.__doc__ = draw.__doc__
    return drawn


def look(position: int) -> dict[str, Any]:
    """Colour and line style at a position; a pair comes back only after 81 positions."""
    lap, place = divmod(position, len(PALETTE))
    return {"color": PALETTE[place], "linestyle": DASHES[(place + lap) % len(DASHES)]}


def looks(treatments: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Colour and line style of each treatment of a figure.

    They follow from the name, so that a treatment looks the same in every figure; only where an earlier
    treatment of the figure has the same colour, the next free one is taken.
    """
    taken, found = set[int](), dict[str, dict[str, Any]]()
    colors = len(PALETTE) - 1  # the first is for no drug
    for name in dict.fromkeys(treatments):
        first = blake2b(name.encode(), digest_size=1, salt=_SALT).digest()[0]
        places = (len(PALETTE) * (k // colors) + 1 + (first + k) % colors for k in count())
        place = 0 if name == UNTREATED else next(place for place in places if place not in taken)
        taken.add(place)
        found[name] = look(place)
    return found


def wrapped(title: str, width: int) -> str:
    """A title on lines of at most `width` characters; a longer word, such as a file name, is broken."""
    return "\n".join(textwrap.wrap(title, width, break_on_hyphens=True))


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure whole or not at all; the format follows the suffix."""
    write_whole(path, figure_bytes(figure, path.suffix.lstrip(".")))


def figure_bytes(figure: Figure, kind: str) -> bytes:
    """The figure as PNG or SVG, without a date, so that the same figure is the same file.

    The figure is laid out at the first call only.
    """
    buffer = io.BytesIO()
    with house_style():
        if engine := figure.get_layout_engine():
            engine.execute(figure)
            figure.set_layout_engine(None)
        figure.savefig(buffer, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return buffer.getvalue()


def html_of(table: "pd.DataFrame", figure: Figure | None) -> str:
    """A table, and a figure below it, as HTML for notebooks."""
    drawn = "" if figure is None else figure_bytes(figure, "svg").decode()
    return f"{table.to_html(index=False)}\n{drawn[drawn.find('<svg') :] if drawn else ''}"
