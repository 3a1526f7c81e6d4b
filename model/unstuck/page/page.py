# Not strict: Solara has no complete types.
# pyright: standard
"""The Solara page: one canvas component, one session and one worker for each browser tab.

Everything hot goes through string traits that the worker sets, past Solara's rendering, which runs once.
"""

# Solara re-exports its names without saying so, and is not there without the extra `view`.
# pyright: reportMissingImports=false, reportPrivateImportUsage=false, reportAttributeAccessIssue=false

import json
import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import ipyvuetify
import solara
import traitlets

from unstuck.files.treatment import Treatment
from unstuck.files.units import Dose
from unstuck.page import wire
from unstuck.page.plan import PanelPlan, Plan, from_query, patient_numbers
from unstuck.page.prescribe import possible_part
from unstuck.page.serve import DEFAULT_TREATMENTS, OFFERED_VARIABLE
from unstuck.page.session import Session

_FRAME_S = 1 / 30
_ACKNOWLEDGED_S = 1.0  # how long a frame may take to be painted before the next is made
_AFTER_A_FAULT_S = 1.0
_HERE = Path(__file__).parent


def _template() -> str:
    """The component: markup and behaviour, with the drawing functions and the style put in their places."""
    view, circuit, curves, style = (
        (_HERE / name).read_text(encoding="utf-8")
        for name in ("view.vue", "drawing.js", "curves.js", "view.css")
    )
    return view.replace("/* drawing.js */", circuit + curves).replace("/* view.css */", style)


class CircuitView(ipyvuetify.VuetifyTemplate):
    """The canvas component; the browser calls `act`."""

    template = traitlets.Unicode(_template()).tag(sync=True)
    frame = traitlets.Unicode("").tag(sync=True)
    meta = traitlets.Unicode("").tag(sync=True)
    controls = traitlets.Unicode("").tag(sync=True)
    download = traitlets.Unicode("").tag(sync=True)
    on_act = traitlets.Any(None, allow_none=True)

    def vue_act(self, message: Any) -> None:
        """What the user did, as [name, arguments...]."""
        if self.on_act:
            self.on_act(message)


class _Tab:
    """One browser tab: its session, its view, and the thread that works for it until the tab is gone."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.received = wire.Received()
        self._acknowledged = threading.Event()
        self._acknowledged.set()
        self._gone = threading.Event()
        self._downloads = 0
        self._view: CircuitView | None = None
        self._patients: tuple[int, ...] = ()
        self._known: object = None
        self._said = ""
        self._treatments = wire.offered(
            "treatments", [panel.treatment for panel in session.wishes.plan.panels]
        )
        self._drugs = wire.offered("drugs", [])

    def open(self, view: CircuitView) -> None:
        """Begin to work for a view that is on the page."""
        self._view = view
        # Started here, inside the tab's kernel, so that what it sets reaches this tab and no other.
        threading.Thread(target=self._work, daemon=True).start()

    def close(self) -> None:
        """The tab is gone: stop working."""
        self._gone.set()
        self.session.wished.set()

    def act(self, message: Any) -> None:
        """One message from the browser; what makes no sense is answered by a note."""
        match message:
            case ["ack", runs]:
                self.received.note(runs)
                self._acknowledged.set()
            case ["hello"]:
                self.received.note([])
                self.session.show_again()
            case [str() as word, *rest]:
                try:
                    self._do(word, rest)
                except (ValueError, IndexError, KeyError, TypeError) as fault:
                    self.session.note(" ".join(str(fault).splitlines()[:1]))

    def _do(self, word: str, given: list[Any]) -> None:
        session = self.session
        match word, given:
            case "play", [bool() as on]:
                session.play(on)
            case "step", [int() as hours] if 0 < hours <= 168:
                session.step(hours)
            case "speed", [int() | float() as speed]:
                session.set_speed(float(speed))
            case "jump", ["healthy" | "stuck" | "12 weeks" as place]:
                session.jump(place)
            case "reset", []:
                session.reset()
            case "patient", [str() as seed, str() as patient, str() as neurons]:
                session.choose_patient(*patient_numbers(seed, patient, neurons))
            case "panels", [int() as count]:
                session.show_panels(count)
            case "treatment", [int() as number, str() as name]:
                session.choose_treatment(number, name)
            case "dose", [int() as number, str() as text]:
                session.choose_dose(number, text)
            case "give", [int() as number, str() as drug, str() as text]:
                session.give(number, drug, text)
            case "stress", [int() as number]:
                session.switch_stress(number)
            case "pick", [int() as number, int() as neuron]:
                session.pick((number, neuron))
            case "pick", []:
                session.pick(None)
            case "note", [str() as text]:
                session.note(text[:500])
            case "csv", []:
                self._save("unstuck-curves.csv", session.curves_csv())
            case "scenario", [int() as number]:
                self._save(*session.scenario(number))
            case _:
                raise ValueError(f"the page does not know what {word!r} with {given!r} means")

    def _save(self, name: str, text: str) -> None:
        self._downloads += 1
        if self._view is not None:
            self._view.download = json.dumps({"n": self._downloads, "name": name, "text": text})

    def _work(self) -> None:
        """Work, and show it when the browser has painted what was before; sleep when nothing is wanted."""
        before = time.perf_counter()
        while not self._gone.is_set():
            now = time.perf_counter()
            elapsed_s, before = now - before, now
            try:
                self._work_once(elapsed_s)
            except Exception as fault:  # this thread is all the tab has: it lives on and says what happened
                self.session.stop_for(fault)
                self._gone.wait(_AFTER_A_FAULT_S)

    def _work_once(self, elapsed_s: float) -> None:
        begun = time.perf_counter()
        self.session.wished.clear()
        self._send(changed=False)
        changed = self.session.work(elapsed_s)
        if changed:  # the browser painted the last frame while this one was worked out, or is waited for
            self._acknowledged.wait(_ACKNOWLEDGED_S)
            self._acknowledged.clear()
        self._send(changed=changed)
        if changed:
            time.sleep(max(0.0, begun + _FRAME_S - time.perf_counter()))
        elif not self.session.busy:
            self.session.wished.wait(_FRAME_S if self.session.wishes.playing else 1.0)

    def _send(self, *, changed: bool) -> None:
        """Tell the browser what is new: traits that stay the same are not sent."""
        view, session = self._view, self.session
        assert view is not None
        copies = session.patient_copies()
        patients = tuple(id(copy.patient) for copy in copies)
        if patients != self._patients:
            view.meta, self._patients = wire.meta(copies), patients
        view.controls = self._controls()
        if changed and session.snapshot is not None:
            view.frame = wire.frame(session.snapshot, self.received)

    def _controls(self) -> str:
        """State of the controls, written anew only where it can have changed."""
        known = (replace(self.session.wishes, goal_day=0.0), round(self.session.behind))
        if known != self._known:
            self._known = known
            self._said = wire.controls(self.session, self._treatments, self._drugs)
        return self._said


def _opened(query: str) -> Session:
    """The session that a link asks for."""
    given = [name for name in os.environ.get(OFFERED_VARIABLE, "").split("\n") if name]
    usual = Plan(tuple(PanelPlan(name) for name in given or DEFAULT_TREATMENTS))
    own_drugs = [drug for name in given for drug in Treatment(name).drugs]
    treatments, drugs = wire.offered("treatments", given), wire.offered("drugs", own_drugs)
    plan, day, notes = from_query(query, usual, treatments, drugs, Dose.parse)
    for number, panel in enumerate(plan.panels):
        possible, impossible = possible_part(Treatment(panel.treatment), panel)
        plan = plan.with_panel(number, possible)
        notes += [f"ignored: {why}" for why in impossible]
    return Session(plan, day, notes)


@solara.component
def Page() -> None:
    """The whole page; rendered once."""
    query = solara.use_router().search or ""
    tab = solara.use_memo(lambda: _Tab(_opened(query)), [])
    solara.Title("Unstuck")
    element = CircuitView.element(on_act=tab.act)

    def live() -> Any:
        tab.open(cast(CircuitView, solara.get_widget(element)))
        return tab.close

    solara.use_effect(live, [])


@solara.component
def Layout(children: list[Any]) -> None:
    """No frame of Solara's own around the page."""
    solara.Column(children=children, gap="0px", style={"padding": "0"})
