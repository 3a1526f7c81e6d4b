# Not strict: Mesa and networkx have no complete types.
# pyright: standard
"""A patient as a Mesa model: agents, clock, and one step that reads like a methods section.

    model = CircuitModel("ssri-like", neurons=500, seed=1)
    for _ in range(84):
        model.step()
    model.datacollector.get_model_vars_dataframe()

The compiled engine makes the step, unless `by_agents` asks the agents to: then every neuron fires and changes
by itself, in simultaneous passes (explicit Euler). Both use the same compiled functions for one neuron.
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import isfinite
from operator import attrgetter
from os import PathLike
from typing import Literal

import networkx
import numpy as np
from mesa import DataCollector, Model

from unstuck.agents import AGENTS, Milieu, Neuron
from unstuck.engine.settle import RunError
from unstuck.errors import InputError, choose
from unstuck.files.find import cohort_path
from unstuck.parameters import default_parameters
from unstuck.patient.checks import runnable_treatment
from unstuck.patient.draw import CohortFile, draw_patient, read_cohort
from unstuck.patient.life import Life
from unstuck.state import Floats
from unstuck.targets import Effects

SETTLED = 1e-12  # largest change of an activity (healthy = 1) at which firing counts as settled
LONGEST_STAGE_H = 1.0  # of the agents; Euler is then within 0.03 in R of the engine on a ketamine-like day

MOST_SWEEPS = 200  # of the agents, until firing has settled

Seed = (
    int | np.integer | Sequence[int] | np.random.SeedSequence | np.random.Generator | np.random.BitGenerator
)


class CircuitModel(Model):
    """One patient under one treatment, stepping `step_h` hours at a time.

    treatment: a shipped name or a path. patient: number of the patient of this seed; varied: whether patients
    differ in their parameters as in the shipped cohort. start: "day 0" (stuck, treatment begins) or "healthy"
    (lives through all phases from the first). agents_recorded: columns of the agents to collect at every
    step, for example ("rate_Hz", "bdnf"). seed or rng seed the patient; without either, a seed is drawn. It
    is kept in `seed` and collected at every step, so that `mesa.batch_run` reports it. Among the parameters
    of `batch_run` use `rng`, because newer Mesa overwrites `seed` there.

    Doses and stress can be given on the way: `model.life.give("ketamine-like")`. `running` turns false at the
    end of the follow-up. InputError, a ValueError, for what cannot be run, before anything is run.
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
        agents_recorded: Sequence[str] | str = (),
        seed: Seed | None = None,
        rng: Seed | None = None,
    ) -> None:
        whole_seed = _one_seed(seed, rng)
        super().__init__(rng=whole_seed)
        choose(start, ("day 0", "healthy"), "start")
        agents_recorded = (agents_recorded,) if isinstance(agents_recorded, str) else agents_recorded
        for name in agents_recorded:
            choose(name, _columns_of_agents(), "column of the agents")
        _check(treatment, neurons, patient, step_h)
        self.seed, self.step_h, self.by_agents = whole_seed, step_h, by_agents
        plan = runnable_treatment(treatment)
        person = draw_patient(
            plan.circuit,
            default_parameters(),
            _cohort() if varied else None,
            seed=self.seed,
            index=int(patient),
            neurons=int(neurons),
        )
        self.circuit = person.circuit
        self.life = Life(person, plan)
        if start == "day 0":
            self.life.advance(self.life.treatment.file.day_0_h)  # of this patient, after their own stress
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
        return self.circuit.graph_in(self.reading.activity, self.reading.strength)

    def step(self) -> None:
        """Simulate `step_h` hours and record.

        By the agents, at most an hour at a time: deliver drugs, fire until firing and serotonin have settled,
        signal and learn, and let all changes take effect together. Where effects of frequent doses swing, the
        rates are the mean of those at both ends of the swing, as in the engine. No stage spans a jump of what
        acts on the circuit.
        """
        until_h = self.life.time_h + self.step_h
        if self.by_agents:
            for hours in self.life.stages(until_h, LONGEST_STAGE_H):
                self.life.state.y[:] += hours * self.rates_now()
        else:
            self.life.advance(until_h)
        self.record()

    def rates_now(self) -> Floats:
        """Rates of change (1/h) of the whole slow state, by the agents, under what acts now."""
        exposure, now_h = self.life.exposure, self.life.time_h
        swing = exposure.swing(now_h)
        share, *ends = swing if swing else (1.0, exposure.at(now_h))
        rates = np.zeros_like(self.life.state.y)
        for weight, (effects, region_input) in zip((share, 1.0 - share), ends, strict=False):
            self.deliver_drugs(effects, region_input)
            self.fire_until_settled()
            self.signal_and_learn()
            rates += weight * self.milieu.rate.y
        return rates

    def deliver_drugs(self, effects: Effects, region_input: Floats) -> None:
        """Bring drugs, stress and input to the neurons."""
        self.milieu.deliver(self.life.state, effects, region_input)

    def fire_until_settled(self) -> None:
        """Let all neurons fire together until nothing changes, serotonin included.

        Raises:
            RunError: firing does not settle.
        """
        for _ in range(MOST_SWEEPS):
            self.milieu.release_monoamines()
            if self.milieu.approach(np.array(self.agents.map("fire"))) <= SETTLED:
                return
        raise RunError(f"firing does not settle on day {self.day:g}")

    def signal_and_learn(self) -> None:
        """Let every neuron set the rates of its signals and synapses, and the circuit of its receptors."""
        self.agents.do("change")
        self.milieu.adapt()

    def record(self) -> None:
        """Settle firing under what acts now, read, and collect."""
        life = self.life
        acting = life.exposure.reported(life.time_h)
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
        first = self.circuit.wiring.populations.first
        for number, name in enumerate(self.circuit.populations):
            kind = AGENTS[self.circuit.file.populations[name].cells]
            for index in range(int(first[number]), int(first[number + 1])):
                kind(self, self.milieu, index)

    def _reporters(self) -> dict[str, str | Callable[["CircuitModel"], float]]:
        """What is collected at every step; columns are named as in the series of a comparison."""
        reporters: dict[str, str | Callable[[CircuitModel], float]] = {
            "seed": "seed",
            "day": partial(_read, "day"),
            "connectivity": partial(_read, "reading.connectivity"),
            "recovery": partial(_read, "life.recovery"),
            "autoreceptor_sensitivity": partial(_read, "reading.autoreceptor_sensitivity"),
        }
        for k, region in enumerate(self.circuit.regions):
            reporters[f"serotonin_{region}"] = partial(_read_entry, "serotonin_ratio", k)
        for k, region in enumerate(self.circuit.noradrenaline_pools):
            reporters[f"noradrenaline_{region}"] = partial(_read_entry, "noradrenaline_ratio", k)
        for k, population in enumerate(self.circuit.populations):
            reporters[f"activity_{population}"] = partial(_read_entry, "activity", k)
            reporters[f"bdnf_{population}"] = partial(_read_entry, "bdnf", k)
        return reporters


def _read(name: str, model: CircuitModel) -> float:
    """A number of the model, by its name with dots. (No lambda, so that a model can be pickled.)"""
    return float(attrgetter(name)(model))


def _read_entry(column: str, k: int, model: CircuitModel) -> float:
    """One entry of a column of the present reading."""
    return float(getattr(model.reading, column)[k])


def _columns_of_agents() -> list[str]:
    """What can be recorded of a neuron: its public properties."""
    return [name for name, value in vars(Neuron).items() if isinstance(value, property) and name[0] != "_"]


def _check(treatment: object, neurons: object, patient: object, step_h: object) -> None:
    """InputError for an argument of a wrong type or outside its range."""
    if not isinstance(treatment, str | PathLike):
        raise InputError(f"treatment = {treatment!r}: must be the name of a treatment or a path")
    for name, count in (("neurons", neurons), ("patient", patient)):
        if not (isinstance(count, int | float | np.integer) and count >= 0 and count % 1 == 0):
            raise InputError(f"{name} = {count!r}: must be a whole number of zero or more")
    if not (isinstance(step_h, int | float | np.integer) and isfinite(step_h) and step_h > 0):
        raise InputError(f"step_h = {step_h!r}: a step lasts more than 0 hours")


def _one_seed(seed: Seed | None, rng: Seed | None) -> int:
    """The whole number that all streams of the model start from, under either of Mesa's two names for it."""
    if seed is not None and rng is not None:
        raise InputError("pass either rng or seed, not both")
    given = rng if seed is None else seed
    if isinstance(given, (int, np.integer)) and given >= 0:
        return int(given)
    if isinstance(given, np.random.Generator):
        return int(given.integers(2**32))
    if given is None or isinstance(given, np.random.SeedSequence):
        return int((given or np.random.SeedSequence()).generate_state(1)[0])
    raise InputError(
        f"seed {given!r}: a seed is a whole number of zero or more, a SeedSequence or a Generator"
    )


def _cohort() -> CohortFile:
    """The shipped cohort."""
    return read_cohort(cohort_path())
