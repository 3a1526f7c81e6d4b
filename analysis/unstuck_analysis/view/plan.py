"""A plan: which patient the page shows, and what is done to each copy. A link contains a whole plan.

    ?seed=1&patient=0&neurons=500&a=ssri-like&a.dose=40+mg&a.give=72+ketamine-like+0.5+mg/kg&a.stress=240-288&day=30
    &a.silence=24+mPFC&a.cut=24+mPFC_P+>+NAc_P&circuit=anxiety

Hours count from day 0. Parts of a link that are wrong are left out, and a note says why.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from functools import partial
from urllib.parse import parse_qsl, urlencode

from unstuck.circuit import LARGEST, SMALLEST
from unstuck.errors import nearest, shown
from unstuck.files.find import shipped

LETTERS = "abc"
# The patient of seed 1 who shows most: stuck without treatment, recovered after the 12 weeks of the SSRI-like
# drug, and stuck again after one dose of the ketamine-like drug. Patient 0 recovers after the course only.
PATIENT = 4
MOST_NEURONS = min(5_000, LARGEST)  # larger patients take too long to compute for a page
BOUNDS = {"seed": (0, 2**32 - 1), "patient": (0, 1_000_000), "neurons": (SMALLEST, MOST_NEURONS)}
LAST_DAY = 365.0
LONGEST_LINK = 20_000  # characters that are read
MOST_EVENTS = 200


@dataclass(frozen=True)
class GivenDose:
    """One dose by hand: hours after day 0, drug, and amount (the usual dose if empty)."""

    hour: int
    drug: str
    dose: str = ""


@dataclass(frozen=True)
class AddedStress:
    """Full stress from one hour after day 0 until another (None: until the treatment ends)."""

    start_hour: int
    end_hour: int | None = None


@dataclass(frozen=True)
class Lesion:
    """From an hour after day 0 on: a region that is silenced (silence), or a bundle that is cut (cut)."""

    hour: int
    kind: str
    name: str


LESIONS = ("silence", "cut")


@dataclass(frozen=True)
class PanelPlan:
    """One copy of the patient: treatment, its dose (as in the file if empty), and what is done by hand."""

    treatment: str
    dose: str = ""
    given: tuple[GivenDose, ...] = ()
    stress: tuple[AddedStress, ...] = ()
    lesions: tuple[Lesion, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything differs from the treatment file."""
        return self != PanelPlan(self.treatment)

    def with_dose_given(self, given: GivenDose) -> "PanelPlan":
        """Add a dose by hand. Raises ValueError for the same drug in the same hour, or too many doses."""
        if any((given.hour, given.drug) == (g.hour, g.drug) for g in self.given):
            raise ValueError(f"{given.drug} is already given in hour {given.hour}")
        if len(self.given) >= MOST_EVENTS:
            raise ValueError(f"at most {MOST_EVENTS} doses by hand per copy")
        return replace(self, given=(*self.given, given))


@dataclass(frozen=True)
class Plan:
    """Which patient, and what is done to each copy; circuit: another one than that of the treatments."""

    panels: tuple[PanelPlan, ...]
    seed: int = 1
    patient: int = 0
    neurons: int = 500
    circuit: str = ""

    def with_panel(self, number: int, panel: PanelPlan) -> "Plan":
        """Return the plan with one panel replaced."""
        return replace(self, panels=(*self.panels[:number], panel, *self.panels[number + 1 :]))


def to_query(plan: Plan, day: float = 0.0) -> str:
    """Return the query string of a link that opens this plan on a day."""
    pairs = [("seed", f"{plan.seed}"), ("patient", f"{plan.patient}"), ("neurons", f"{plan.neurons}")]
    pairs += [("circuit", plan.circuit)] if plan.circuit else []
    for letter, panel in zip(LETTERS, plan.panels, strict=False):
        pairs.append((letter, panel.treatment))
        if panel.dose:
            pairs.append((f"{letter}.dose", panel.dose))
        pairs += [(f"{letter}.give", f"{g.hour} {g.drug} {g.dose}".strip()) for g in panel.given]
        pairs += [(f"{letter}.stress", f"{s.start_hour}-{s.end_hour or ''}") for s in panel.stress]
        pairs += [(f"{letter}.{lesion.kind}", f"{lesion.hour} {lesion.name}") for lesion in panel.lesions]
    if day:
        pairs.append(("day", f"{day:g}"))
    return urlencode(pairs, safe="/")


def patient_numbers(*texts: str) -> list[int]:
    """Read seed, patient and number of neurons as typed. Raises ValueError with the allowed range."""
    return [_whole(key, text) for key, text in zip(BOUNDS, texts, strict=True)]


@dataclass(frozen=True)
class Note:
    """A part of a link that was left out, and why."""

    key: str
    value: str
    why: str

    def __str__(self) -> str:
        return f"ignored {shown(self.key)[1:-1]}={shown(self.value)[1:-1]}: {self.why}"


def from_query(
    query: str,
    usual: Plan,
    treatments: Collection[str],
    drugs: Collection[str],
    check_dose: Callable[[str], object],
) -> tuple[Plan, float, list[Note]]:
    """Read the plan and the day of a link; only the given treatments and drugs may be named.

    Args:
        query: the query string, with or without "?".
        usual: replaces what the link does not say.
        treatments: names that a panel may show.
        drugs: names that may be given by hand.
        check_dose: raises ValueError for a text that is not a dose.

    Returns:
        The plan, the day, and a note on each part that was left out.
    """
    pairs = parse_qsl(query.removeprefix("?")[:LONGEST_LINK], keep_blank_values=True)
    link = _Link(pairs, treatments, drugs, check_dose)
    numbers = [link.number(key, getattr(usual, key)) for key in BOUNDS]
    day, circuit = link.day(), link.circuit(usual.circuit)
    panels = tuple(panel for letter in LETTERS if (panel := link.panel(letter)) is not None)
    for key, value in link.pairs[:5]:
        link.ignored(key, value, "unknown key")
    return Plan(panels or usual.panels, *numbers, circuit=circuit), day, link.notes


@dataclass
class _Link:
    """A query string while it is read: the unread pairs, the names it may use, and notes."""

    pairs: list[tuple[str, str]]
    treatments: Collection[str]
    drugs: Collection[str]
    check_dose: Callable[[str], object]
    notes: list[Note] = field(default_factory=list)

    def take(self, key: str) -> list[str]:
        """Remove a key and return all its values."""
        values = [value for name, value in self.pairs if name == key]
        self.pairs = [pair for pair in self.pairs if pair[0] != key]
        return values

    def ignored(self, key: str, value: str, why: str) -> None:
        """Add a note on a part that is left out."""
        self.notes.append(Note(key, value, why))

    def number(self, key: str, usual: int) -> int:
        """Return the last number given for a key, if it is within BOUNDS, else the usual one."""
        for value in self.take(key)[-1:]:
            try:
                return _whole(key, value)
            except ValueError as fault:
                self.ignored(key, value, str(fault))
        return usual

    def day(self) -> float:
        """Return the day to open on (0 if none is given)."""
        for value in self.take("day")[-1:]:
            try:
                if 0.0 <= float(value) <= LAST_DAY:
                    return float(value)
            except ValueError:
                pass
            self.ignored("day", value, f"must be a day from 0 to {LAST_DAY:g}")
        return 0.0

    def circuit(self, usual: str) -> str:
        """Return the last circuit given, if it is a shipped one, else the usual one."""
        for value in self.take("circuit")[-1:]:
            if value in (usual, *(known := shipped("circuits"))):
                return value
            self.ignored("circuit", value, f"the page offers no such circuit{nearest(value, known)}")
        return usual

    def panel(self, letter: str) -> PanelPlan | None:
        """Return the plan of one panel; None if the link names no treatment for it."""
        names = self.take(letter)
        parts = [
            (".dose", self.take(f"{letter}.dose")[-1:], self._dosed),
            (".give", self.take(f"{letter}.give"), self._given),
            (".stress", self.take(f"{letter}.stress"), _stressed),
            *((f".{kind}", self.take(f"{letter}.{kind}"), partial(_injured, kind=kind)) for kind in LESIONS),
        ]
        if not names:
            for key, text in ((key, text) for key, texts, _ in parts for text in texts):
                self.ignored(letter + key, text, f"the link names no treatment for copy {letter}")
            return None
        if names[-1] not in self.treatments:
            why = f"the page offers no such treatment{nearest(names[-1], self.treatments)}"
            self.ignored(letter, names[-1], why)
            return None
        panel = PanelPlan(names[-1])
        for key, texts, changed in parts:
            for text in texts:
                try:
                    panel = changed(panel, text)
                except ValueError as fault:
                    self.ignored(letter + key, text, str(fault))
        return panel

    def _dosed(self, panel: PanelPlan, text: str) -> PanelPlan:
        self.check_dose(text)
        return replace(panel, dose=text)

    def _given(self, panel: PanelPlan, text: str) -> PanelPlan:
        hour, drug, dose = [*text.split(maxsplit=2), "", "", ""][:3]
        if drug not in self.drugs:
            raise ValueError(f"the page offers no drug {shown(drug)}{nearest(drug, self.drugs)}")
        if dose:
            self.check_dose(dose)
        return panel.with_dose_given(GivenDose(_hour(hour), drug, dose))


def _stressed(panel: PanelPlan, text: str) -> PanelPlan:
    start, _, end = text.partition("-")
    added = AddedStress(_hour(start), _hour(end) if end else None)
    latest = panel.stress[-1].end_hour if panel.stress else 0
    if latest is None or added.start_hour < latest or (added.end_hour or LAST_DAY * 24) <= added.start_hour:
        raise ValueError("periods of stress must not overlap and last at least one hour")
    if len(panel.stress) >= MOST_EVENTS:
        raise ValueError(f"at most {MOST_EVENTS} periods of stress per copy")
    return replace(panel, stress=(*panel.stress, added))


def _injured(panel: PanelPlan, text: str, kind: str) -> PanelPlan:
    hour, _, name = text.partition(" ")
    if any((kind, name) == (lesion.kind, lesion.name) for lesion in panel.lesions):
        raise ValueError(f"{kind} {name} is in the list already")
    return replace(panel, lesions=(*panel.lesions, Lesion(_hour(hour), kind, name)))


def _whole(key: str, text: str) -> int:
    lowest, highest = BOUNDS[key]
    if text.isascii() and text.isdigit() and lowest <= int(text[:12]) <= highest:
        return int(text[:12])
    raise ValueError(f"{key} must be a whole number from {lowest} to {highest}, not {shown(text)}")


def _hour(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:9]) <= LAST_DAY * 24):
        raise ValueError(f"{shown(text)} is not a whole number of hours from 0 to {LAST_DAY * 24:g}")
    return int(text[:9])
