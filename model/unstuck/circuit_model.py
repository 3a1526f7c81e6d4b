# Not strict: Mesa and networkx have no complete types.
# pyright: standard
"""A patient as a Mesa model: agents, clock, and one step that reads like a methods section.

    model = CircuitModel("ssri-like", neurons=500, seed=1)
    for _ in range(84):
        model.step()
    model.datacollector.get_model_vars_dataframe()

The compiled engine makes the step, unless `by_agents` asks the agents to: then every neuron senses, fires,
signals and learns by itself, three simultaneous passes a stage (explicit Euler). Both follow the same rules.
"""

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Literal

import networkx
import numpy as np
from mesa import DataCollector, Model

from unstuck.agents import AGENTS, Milieu
from unstuck.circuit import Floats
from unstuck.engine.step import RunError
from unstuck.files.find import cohort_path
from unstuck.files.yaml import choose
from unstuck.parameters import default_parameters
from unstuck.patient.checks import runnable_treatment
from unstuck.patient.draw import CohortFile, draw_patient, read_cohort
from unstuck.patient.life import Life
from unstuck.targets import Effects

SETTLED = 1e-12  # largest change of an activity (healthy = 1) at which firing counts as settled
LONGEST_STAGE_H = 1.0  # of the agents; Euler is then within 0.03 in R of the engine on a ketamine-like day

# Ever smaller moves towards the firing called for: (damping, most sweeps).
_DAMPINGS = ((1.0, 600), (0.5, 1_200), (0.1, 6_000))

Seed = (
    int | np.integer | Sequence[int] | np.random.SeedSequence | np.random.Generator | np.random.BitGenerator
)


class CircuitModel(Model):
    """One patient under one treatment, stepping `step_h` hours at a time.

    treatment: a shipped name or a path. patient: number of the patient of this seed; varied: whether patients
    differ in their parameters as in the shipped cohort. start: "day 0" (stuck, treatment begins) or "healthy"
    (lives through all phases from the first). agents_recorded: columns of the agents to collect at every
    step, for example ("rate_Hz", "bdnf"). seed or rng seed the patient; without either, one is drawn and kept
    in `seed` (among the parameters of `mesa.batch_run` use `rng`: newer Mesa overwrites `seed` there).

    Doses and stress can be given on the way: `model.life.give("ketamine-like")`. `running` turns false at the
    end of the follow-up. InputError or ValueError for what cannot be run, before anything is run.
    """

    def __init__(
        self,
        treatment: str = "untreated",
        neurons: int = 500,
        patient: int = 0,
        varied: bool = False,
        start: Literal["day 0", "healthy"] = "day 0",
        step_h: float = 24.0,
        by_agents: bool = False,
        agents_recorded: Sequence[str] = (),
        seed: Seed | None = None,
        rng: Seed | None = None,
    ) -> None:
        whole_seed = _one_seed(seed, rng)
        super().__init__(rng=whole_seed)
        choose(start, ("day 0", "healthy"), "start")
        if not (isfinite(step_h) and step_h > 0):
            raise ValueError(f"step_h = {step_h}: a step lasts more than 0 hours")
        self.seed, self.step_h, self.by_agents = whole_seed, step_h, by_agents
        plan = runnable_treatment(treatment)
        person = draw_patient(
            plan.circuit,
            default_parameters(),
            _cohort() if varied else None,
            seed=self.seed,
            index=patient,
            neurons=neurons,
        )
        self.circuit = person.circuit
        self.life = Life(person, plan)
        if start == "day 0":
            self.life.advance(plan.file.day_0_h)
        self.milieu = Milieu(self.circuit, self.life.state, *self.life.exposure.at(self.life.time_h))
        self._create_agents()
        self.datacollector = DataCollector(
            model_reporters=self._reporters(), agent_reporters={name: name for name in agents_recorded}
        )
        self.record()

    @property
    def day(self) -> float:
        """Days since day 0 (negative before)."""
        return self.life.day

    @property
    def graph(self) -> networkx.DiGraph:
        """The populations and projections at present.

        Nodes carry `activity`; edges carry `strength` (healthy = 1) and `weight` (drive, strength included).
        """
        graph = self.circuit.graph.copy()
        for name, activity in zip(self.circuit.populations, self.reading.activity, strict=True):
            graph.nodes[name]["activity"] = float(activity)
        strength = np.nan_to_num(self.reading.strength, nan=1.0)
        for _, _, edge in graph.edges(data=True):
            edge["strength"] = float(strength[self.circuit.projections.index(edge["name"])])
            edge["weight"] *= edge["strength"]
        return graph

    def step(self) -> None:
        """Live `step_h` hours and record.

        By the agents, a stage of at most an hour at a time: deliver drugs, fire until firing and serotonin
        have settled, signal BDNF and TrkB, learn, and let all changes take effect together. Where effects of
        frequent doses swing within the stage, the changes are the mean of those at both ends of the swing, as
        in the engine. No stage spans a jump of what acts on the circuit.
        """
        until_h = self.life.time_h + self.step_h
        if self.by_agents:
            for hours in self.life.stages(until_h, LONGEST_STAGE_H):
                self.take_effect(hours, *self.live_a_stage())
        else:
            self.life.advance(until_h)
        self.record()

    def live_a_stage(self) -> tuple[Floats, Floats]:
        """Changes per hour of signals and of strengths under what acts now."""
        exposure, now_h = self.life.exposure, self.life.time_h
        swing = exposure.swing(now_h)
        share, *ends = swing if swing else (1.0, exposure.at(now_h))
        signals, strengths = np.zeros(1), np.zeros(1)
        for weight, (effects, region_input) in zip((share, 1.0 - share), ends, strict=False):
            self.deliver_drugs(effects, region_input)
            self.fire_until_settled()
            signals, strengths = signals + weight * self.signal(), strengths + weight * self.learn()
        return signals, strengths

    def deliver_drugs(self, effects: Effects, region_input: Floats) -> None:
        """Bring drugs, stress and input to the neurons."""
        self.milieu.state = self.life.state
        self.milieu.effects, self.milieu.region_input = effects, region_input

    def fire_until_settled(self) -> None:
        """Let all neurons fire together until nothing moves, serotonin included (RunError if it does not)."""
        state = self.milieu.state
        for damping, most_sweeps in _DAMPINGS:
            for _ in range(most_sweeps):
                self.milieu.release_serotonin()
                left = np.array(self.agents.map("fire")) - state.x
                state.x += damping * self._strides * left
                if np.abs(left).max() <= SETTLED:
                    return
            state.x[:] = 1.0
        raise RunError(f"firing does not settle on day {self.day:g}")

    def signal(self) -> Floats:
        """Change per hour of BDNF and TrkB of every neuron, of autoreceptors and of the transporter."""
        bdnf, trkb = zip(*self.agents.map("signal"), strict=True)
        return np.concatenate([bdnf, trkb, self.milieu.adapt()])

    def learn(self) -> Floats:
        """Change per hour of labile, then of consolidated strength of every plastic synapse."""
        labile, consolidated = zip(*self.agents.map("learn"), strict=True)
        return np.concatenate([*labile, *consolidated])

    def take_effect(self, hours: float, signals: Floats, strengths: Floats) -> None:
        """Let the changes of a stage take effect together."""
        self.milieu.state.y += hours * np.concatenate([signals, strengths])

    def record(self) -> None:
        """Settle firing under what acted until now (at the start: acts from now on), read, and collect."""
        life, exposure = self.life, self.life.exposure
        acting = (exposure.ending if self.steps else exposure.reported)(life.time_h)
        self.deliver_drugs(*acting)
        if self.by_agents:
            self.fire_until_settled()
        else:
            life.settle(*acting)
        self.reading = life.reading(life.time_h, life.state, acting)
        self.running = self.life.time_h < self.life.end_h
        self.datacollector.collect(self)

    def _create_agents(self) -> None:
        """One agent a neuron, in the order of the arrays."""
        first = self.circuit.wiring.first
        for number, name in enumerate(self.circuit.populations):
            kind = AGENTS[self.circuit.file.populations[name].cells]
            for index in range(int(first[number]), int(first[number + 1])):
                kind(self, self.milieu, index, number)
        self._strides = np.array(self.agents.get("stride"))

    def _reporters(self) -> dict[str, Callable[["CircuitModel"], float]]:
        """What is collected at every step; columns are named as in the series of a comparison."""

        def entry(column: str, k: int) -> Callable[["CircuitModel"], float]:
            return lambda model: float(getattr(model.reading, column)[k])

        reporters: dict[str, Callable[[CircuitModel], float]] = {
            "day": lambda model: model.day,
            "connectivity": lambda model: model.reading.connectivity,
            "recovery": lambda model: model.life.recovery,
            "autoreceptor_sensitivity": lambda model: model.reading.sensitivity,
        }
        for k, region in enumerate(self.circuit.regions):
            reporters[f"serotonin_{region}"] = entry("serotonin_ratio", k)
        for k, population in enumerate(self.circuit.populations):
            reporters[f"activity_{population}"] = entry("activity", k)
            reporters[f"bdnf_{population}"] = entry("bdnf", k)
        return reporters


def _one_seed(seed: Seed | None, rng: Seed | None) -> int:
    """The whole number that all streams of the model start from, under either of Mesa's two names for it."""
    if seed is not None and rng is not None:
        raise ValueError("pass either rng or seed, not both")
    given = rng if seed is None else seed
    if isinstance(given, (int, np.integer)) and given >= 0:
        return int(given)
    if isinstance(given, np.random.Generator):
        return int(given.integers(2**32))
    if given is None or isinstance(given, np.random.SeedSequence):
        return int((given or np.random.SeedSequence()).generate_state(1)[0])
    raise ValueError(
        f"seed {given!r}: a seed is a whole number of zero or more, a SeedSequence or a Generator"
    )


def _cohort() -> CohortFile:
    """The shipped cohort."""
    return read_cohort(cohort_path())
