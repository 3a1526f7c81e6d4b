"""The browser page: runs of the model are recordings, and the page plays them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path

from unstuck.errors import InputError

from unstuck_analysis.output.files import write_whole
from unstuck_analysis.view.cases import Cases, treatment
from unstuck_analysis.view.page import TWELVE_WEEKS, exported_page
from unstuck_analysis.view.plan import LETTERS, PATIENT, PanelPlan, Plan, patient_numbers
from unstuck_analysis.view.stories import Story, find_story, read_story

DEFAULT_TREATMENTS = ("untreated", "ssri-like", "ketamine-like")


@dataclass(frozen=True)
class PreparedView:
    """What `unstuck view` was asked to show."""

    plan: Plan
    files: tuple[str, ...] = ()
    stories: dict[str, Story] = field(default_factory=dict)

    def html(self, days: float = TWELVE_WEEKS) -> str:
        """Record the plan, or the story, and return one self-contained page."""
        plan = None if self.stories else self.plan
        return exported_page(Cases(self.files, self.plan.circuit), plan, self.stories, days)

    def write(self, path: Path, days: float = TWELVE_WEEKS) -> None:
        """Write one self-contained page. InputError if the folder does not exist."""
        if not path.parent.is_dir():
            raise InputError(f"{path}: there is no folder {path.parent}")
        write_whole(path, self.html(days).encode())

    def serve(self, *, port: int, host: str = "127.0.0.1", open_browser: bool = True) -> None:
        """Serve the live page until Ctrl-C. Raises InputError if the server cannot start."""
        from unstuck_analysis.view.server import serve

        serve(self.plan, self.files, self.stories, port=port, host=host, open_browser=open_browser)

    def serve_mesa(self, *, port: int, open_browser: bool = True) -> None:
        """Serve Mesa's own page of the first treatment. Raises InputError if it cannot start."""
        from unstuck_analysis.view.mesa_server import serve_mesa

        plan = self.plan
        if plan.circuit:
            raise InputError("--mesa shows the circuit that the treatment names: leave out --circuit")
        numbers = {"seed": plan.seed, "patient": plan.patient, "neurons": plan.neurons}
        serve_mesa(plan.panels[0].treatment, **numbers, port=port, open_browser=open_browser)


def prepare(
    treatments: Sequence[str] = (),
    *,
    seed: int = 1,
    patient: int = PATIENT,
    neurons: int = 500,
    story: str = "",
    circuit: str = "",
) -> PreparedView:
    """Check what is to be shown. Raises InputError for an unknown name, too many treatments, a bad number."""
    names = [_name(name) for name in treatments or DEFAULT_TREATMENTS]
    if len(names) > len(LETTERS):
        raise InputError(f"{len(names)} treatments: the page shows at most {len(LETTERS)} side by side")
    try:
        patient_numbers(str(seed), str(patient), str(neurons))
    except ValueError as fault:
        raise InputError(str(fault)) from None
    stories = dict[str, Story]()
    if story:
        path = find_story(story)
        stories[path.stem] = read_story(path)
    if story and circuit:
        raise InputError("--story: a story is about the circuit of its treatments: leave out --circuit")
    for name in names:
        treatment(name, circuit)
    files = tuple(name for name in names if Path(name).is_absolute())
    plan = Plan(tuple(map(PanelPlan, names)), seed, patient, neurons, circuit)
    return PreparedView(plan, files, stories)


def _name(name: str) -> str:
    """A shipped name as it is, a file by its full path."""
    is_name = Path(name).parent == Path() and not Path(name).suffix
    return name if is_name else str(Path(name).resolve())


class Page:
    """A self-contained page for a notebook, in a frame of its own."""

    def __init__(self, shown: PreparedView, days: float, height: int) -> None:
        self._shown, self._days, self._height = shown, days, height

    @cached_property
    def html(self) -> str:
        """The page as text."""
        return self._shown.html(self._days)

    def save(self, path: str | Path) -> None:
        """Write the page to a file."""
        write_whole(Path(path), self.html.encode())

    def _repr_html_(self) -> str:
        style = f"width: 100%; height: {self._height}px; border: 0"
        return f'<iframe title="Unstuck" style="{style}" srcdoc="{escape(self.html)}"></iframe>'


def view(
    *treatments: str,
    seed: int = 1,
    patient: int = PATIENT,
    neurons: int = 500,
    days: float = TWELVE_WEEKS,
    story: str = "",
    height: int = 760,
) -> Page:
    """Show up to three treatments of one patient, or a story, in a notebook.

    Args:
        treatments: shipped names or paths; untreated, SSRI-like and ketamine-like if none is given.
        seed: seed of all random streams.
        patient: number of the patient, as in `compare`; PATIENT says why it is this one.
        neurons: neurons per patient (100 to 5,000).
        days: days after day 0 that are recorded.
        story: name or path of a story, instead of treatments.
        height: height of the frame in pixels.

    Raises:
        InputError: unknown treatment or story, more than three treatments, or a number out of range.
    """
    shown = prepare(treatments, seed=seed, patient=patient, neurons=neurons, story=story)
    return Page(shown, days, height)
