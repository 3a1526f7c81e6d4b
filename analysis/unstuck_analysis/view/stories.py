"""Stories: files that show a plan in scenes, each with a caption and something to look at."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field
from unstuck.errors import InputError, unknown
from unstuck.files.find import shipped
from unstuck.files.yaml import Document, read_document_with_places

from unstuck_analysis.view.cases import days_to_day_0, treatment
from unstuck_analysis.view.plan import LETTERS, MOST_NEURONS, PanelPlan, Plan, to_query
from unstuck_analysis.view.prescribe import prescribed
from unstuck_analysis.view.recording import last_day

CURVES = ("recovery", "serotonin", "bdnf")


class StoryCopy(Document):
    """One copy of the patient in a story: a treatment, and its dose if not the usual one."""

    treatment: str
    dose: str = ""


class Scene(Document):
    """A stretch of days that plays while its caption is shown."""

    start: float = Field(alias="from")
    to: float
    seconds: float = Field(default=4.0, gt=0, le=60)
    caption: str = Field(min_length=3, max_length=400)
    point_at: str = ""  # a curve (recovery, serotonin, bdnf), a region, or a connection
    copy_: str = Field(default="A", alias="copy", pattern="^[ABC]$")


class Story(Document):
    """A story file: which copies are shown, and the scenes that play one after another."""

    title: str = Field(min_length=3)
    summary: str = ""
    seed: int = Field(default=1, ge=0, lt=2**32)
    patient: int = Field(default=0, ge=0)
    neurons: int = Field(default=500, ge=100, le=MOST_NEURONS)
    copies: list[StoryCopy] = Field(min_length=1, max_length=len(LETTERS))
    scenes: list[Scene] = Field(min_length=1, max_length=20)
    landscape: bool = False  # next to the copies: connectivity over scar, and the way of the first copy

    @property
    def plan(self) -> Plan:
        """The plan that the story shows."""
        panels = tuple(PanelPlan(copy.treatment, copy.dose) for copy in self.copies)
        return Plan(panels, self.seed, self.patient, self.neurons)

    @property
    def last_day(self) -> float:
        """The last day of all scenes."""
        return max(scene.to for scene in self.scenes)


def find_story(name_or_path: str) -> Path:
    """Return the file of a story. Raises InputError with the nearest spelling."""
    known, given = shipped("stories"), Path(name_or_path)
    if given.suffix in (".yaml", ".yml"):
        return given
    if name_or_path not in known:
        raise InputError(unknown("story", name_or_path, known))
    return known[name_or_path]


def read_story(path: Path) -> Story:
    """Read a story and check it against its treatments. Raises InputError with file and key."""
    story, places = read_document_with_places(path, Story)
    for number, copy in enumerate(story.copies):
        try:
            prescribed(treatment(copy.treatment), PanelPlan(copy.treatment, copy.dose))
        except ValueError as fault:
            key = "dose" if copy.dose else "treatment"
            raise places.error(("copies", number, key), str(fault)) from None
    for number, scene in enumerate(story.scenes):
        for key, fault in _faults(story, scene):
            raise places.error(("scenes", number, *key), fault)
    return story


def _faults(story: Story, scene: Scene) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield key and message of everything in a scene that does not fit the story's treatments."""
    position = LETTERS.upper().index(scene.copy_)
    if position >= len(story.copies):
        yield ("copy",), f"there is no copy {scene.copy_}: the story has {len(story.copies)}"
        return
    files = [treatment(copy.treatment) for copy in story.copies]
    first, last = -days_to_day_0(story.plan, story.plan.panels[position]), last_day(files)
    if not first <= scene.start < scene.to <= last:
        yield (
            ("to",),
            f"from {scene.start:g} to {scene.to:g}: must rise, within day {first:g} and day {last:g}",
        )
    circuit = files[position].circuit
    known = [*CURVES, *circuit.regions, *(n for n, p in circuit.projections.items() if p.plastic)]
    if scene.point_at and scene.point_at not in known:
        yield ("point_at",), unknown("place", scene.point_at, known)


def stories_on_offer() -> tuple[list[dict[str, object]], list[str]]:
    """All shipped stories and those of the working folder, and a message for each that cannot be read."""
    stories, faults = list[dict[str, object]](), list[str]()
    for name, path in shipped("stories").items():
        try:
            stories.append(about_story(name, read_story(path)))
        except InputError as fault:
            faults.append(str(fault).splitlines()[0])
    return stories, faults


def about_story(name: str, story: Story) -> dict[str, object]:
    """What the page must know of a story, ready for JSON."""
    keys = ("start", "to", "seconds", "caption")
    return {
        "name": name,
        "title": story.title,
        "summary": story.summary,
        "query": to_query(story.plan),
        "command": f"unstuck view --story {name}",
        "landscape": story.landscape,
        "scenes": [
            {key: getattr(scene, key) for key in keys} | {"at": scene.point_at, "copy": scene.copy_}
            for scene in story.scenes
        ],
    }
