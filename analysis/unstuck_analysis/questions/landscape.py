"""How the illness forms and ends: connectivity at each scar, and how fast the scar changes.

At a fixed scar M the circuit has one resting state. Its connectivity as a function of M is the slow manifold:

    C(M)        connectivity with all other slow variables at rest
    dM/dt       mean over all cells of kM stress^2 (1 - M) - M Q(T) / Q(1) / tauM, in that state

In a circuit whose illness is read from activity, C is that readout (1 is health) and is larger in illness.

So there are not two stable states: a stuck patient returns without treatment, and the question is how fast.
Two rates decide: how fast the scar heals, and how fast connectivity follows, because consolidated strength
is as slow as the scar. M is fixed exactly: growth kM = 0, and the decay tauM is so slow that nothing changes.
All is measured in the typical patient in the mean-field, without noise and life events.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite, nan

import numpy as np
import pandas as pd
from unstuck.circuit import Circuit, healthy_state, mean_field_circuit
from unstuck.drugs.exposure import Constant, PatientExposure, Spell
from unstuck.engine.readouts import connectivity
from unstuck.engine.step import Accuracy, Engine, rates_of_change
from unstuck.files.circuit import CircuitFile
from unstuck.files.treatment import Treatment, circuit_for
from unstuck.files.units import HOURS_A_DAY
from unstuck.parameters import ParameterSet, default_parameters
from unstuck.patient.draw import Patient
from unstuck.patient.life import Life, run_treatment
from unstuck.state import Floats, State, bound
from unstuck.targets import NO_EFFECT, Effects

from unstuck_analysis.defaults import UNTREATED
from unstuck_analysis.outcomes import STILL_RECOVERED_DAYS, RecoveryCourse, recovery_course
from unstuck_analysis.output.answer import About, Answer, Shown, inputs_hash
from unstuck_analysis.output.table import Cell, Column, Table
from unstuck_analysis.questions.stuck import StuckPatient, require_stuck, untreated_course

DEFAULT_TREATMENTS = (
    UNTREATED,
    "ssri-like",
    "ssre-only",
    "tianeptine-like",
    "ketamine-like",
    "ketamine-like-six",
    "psilocybin-like",
)
SCARS = np.linspace(0.0, 1.0, 11)
STRESSES = (0.25, 0.5, 0.75, 1.0)
STRESS_DAYS = (14.0, 28.0, 42.0, 84.0, 168.0)
EPISODES, EPISODE_DAYS, REST_DAYS = 5, 28.0, 60.0
HELD_H = 1e9  # time constant of the decay of a fixed scar
SETTLING_DAYS = (200.0, 400.0, 800.0)  # after the last, connectivity is at rest within 1e-3
MOVING = 1e-4  # distance from rest, in connectivity, that is large enough to measure a rate
ONE_STATE = 0.02  # largest distance, in connectivity, of starts that end in one state
AT_REST = Accuracy(firing=1e-6, longest_step_h=10 * HOURS_A_DAY)


@dataclass(frozen=True)
class SteadyActing:
    """What acts without end: a name, effects, and input by region in drive."""

    name: str
    effects: Effects = NO_EFFECT
    region_input: Floats | None = None


@dataclass(frozen=True)
class SlowManifold:
    """The one state at each scar under what acts; all arrays are (scars,).

    change_per_day: of the scar. follows_days: days in which connectivity comes nearer to rest by a factor of
    e (NaN where the run started at rest).
    """

    acting: str
    scar: Floats
    connectivity: Floats
    change_per_day: Floats
    follows_days: Floats

    @property
    def scar_at_rest(self) -> float:
        """The scar that a healthy patient reaches in the end (linear between the scars looked at)."""
        if self.change_per_day[0] <= 0.0:
            return 0.0
        falls = np.flatnonzero(self.change_per_day <= 0.0)
        if not len(falls):
            return float(self.scar[-1])
        k = slice(falls[0] - 1, falls[0] + 1)
        return float(np.interp(0.0, -self.change_per_day[k], self.scar[k]))

    def heals_days(self, scar: float) -> float:
        """Days in which the scar would fall to 1/e at its present rate (infinity where it does not fall)."""
        change = float(np.interp(scar, self.scar, self.change_per_day))
        return -scar / change if change < 0.0 else inf


@dataclass(frozen=True)
class TreatmentPath:
    """One treatment: mean scar and connectivity by day from day 0 (readings,), and recovery over time."""

    treatment: str
    days: Floats
    scar: Floats
    connectivity: Floats
    recovery: RecoveryCourse
    gone_day: float


@dataclass(frozen=True)
class Landscape:
    """All that `unstuck landscape` measures.

    stuck: mean scar and connectivity on day 0. starts: slow manifolds without treatment, by where the runs
    started. manifolds: untreated first, then each stress, then each treatment that acts on its last day.
    untreated: recovery over years.
    """

    stuck: tuple[float, float]
    starts: dict[str, SlowManifold]
    manifolds: list[SlowManifold]
    paths: list[TreatmentPath]
    untreated: RecoveryCourse
    stress: pd.DataFrame
    file: CircuitFile

    @property
    def readout(self) -> str:
        """Name of what illness is read from."""
        return self.file.readout_name

    def under(self, acting: str) -> SlowManifold | None:
        """The slow manifold under what acts, by name (None if it was not measured)."""
        return next((one for one in self.manifolds if one.acting == acting), None)


def weakest_state(circuit: Circuit) -> State:
    """Every slow variable at its lowest bound: no BDNF, no signalling, no strength beyond the core."""
    state = healthy_state(circuit)
    state.y[:] = circuit.layout.filled(lambda variable: bound(variable.lowest, circuit.parameters))
    return state


def slow_manifold(
    patient: Patient,
    acting: SteadyActing = SteadyActing(UNTREATED),
    scars: Floats = SCARS,
    start: State | None = None,
) -> SlowManifold:
    """The state at rest at each scar, and how fast the scar would move there (start: health if not given)."""
    held = patient.circuit.parameters.with_values(kM=0.0, tauM=HELD_H)
    circuit = mean_field_circuit(patient.circuit.file, held)
    exposure = Constant(len(circuit.regions), acting.effects, acting.region_input)
    found, change = np.empty((len(scars), len(SETTLING_DAYS))), np.empty(len(scars))
    for k, scar in enumerate(scars.tolist()):
        state = healthy_state(circuit) if start is None else start.copy()
        state.slow.scar[:] = scar
        engine = Engine(circuit, state, accuracy=AT_REST)
        for column, day in enumerate(SETTLING_DAYS):
            engine.advance(exposure, day * HOURS_A_DAY)
            found[k, column] = _connectivity(engine, exposure)
        rates = rates_of_change(patient.circuit, engine.state.as_rows(), acting.effects)
        change[k] = HOURS_A_DAY * patient.circuit.layout.views(rates[0]).scar.mean()
    return SlowManifold(acting.name, scars, found[:, -1], change, _follows_days(found))


def _connectivity(engine: Engine, exposure: Constant) -> float:
    """The primary readout now, with firing settled under what acts."""
    return connectivity(engine.circuit, engine.settled(*exposure.at(engine.time_h)))[0]


def _follows_days(found: Floats) -> Floats:
    """Days per factor of e, from how far connectivity (scars, SETTLING_DAYS) still is from its last value."""
    first, second = np.abs(found[:, :2] - found[:, 2:]).T
    ratio = np.divide(first, second, out=np.full(len(found), np.nan), where=second > MOVING)
    return (SETTLING_DAYS[1] - SETTLING_DAYS[0]) / np.log(ratio)


def on_day_0(patient: Patient, treatment: Treatment) -> Life:
    """A patient under a treatment, simulated until day 0; InputError if it does not become stuck."""
    life = Life(patient, treatment)
    life.advance(life.treatment.file.day_0_h)
    assert life.checkpoint is not None
    require_stuck(life.checkpoint, treatment.circuit, f"the patient of treatment {treatment.name!r}")
    return life


def acting_at_end(patient: Patient, treatment: Treatment) -> SteadyActing | None:
    """What a treatment does on the last day of its phase; None if nothing acts then (single doses)."""
    life = on_day_0(patient, treatment)
    file = life.treatment.file
    end_h = file.day_0_h + file.phases[file.day_0].lasting
    effects, region_input = life.exposure.ending(end_h)
    if np.allclose(effects, NO_EFFECT, atol=1e-3) and not region_input.any():
        return None
    return SteadyActing(treatment.name, effects, region_input)


def treatment_path(patient: Patient, treatment: Treatment) -> TreatmentPath:
    """Scar and connectivity from day 0 to the end of the follow-up."""
    run = run_treatment(patient, treatment, on_day_0(patient, treatment).checkpoint, functional_days=())
    rows = [(reading.day, reading.scar.mean(), reading.connectivity) for reading in run.readings]
    days, scar, whole = np.array(rows, dtype=float).T
    return TreatmentPath(treatment.name, days, scar, whole, recovery_course(run), run.gone_day)


def after_stress(patient: Patient, stress: float, days: float, episodes: int = 1) -> tuple[float, float]:
    """Mean scar and connectivity of a healthy patient after episodes of stress, each with 60 d rest."""
    circuit, cycle_h = patient.circuit, HOURS_A_DAY * (days + REST_DAYS)
    starts_h = [k * cycle_h for k in range(episodes)]
    spells = [Spell(start_h, start_h + HOURS_A_DAY * days, stress) for start_h in starts_h]
    no_noise, end_h = np.zeros((0, len(circuit.regions))), episodes * cycle_h
    engine = Engine(circuit)
    engine.advance(PatientExposure(circuit.regions, spells, [], no_noise, end_h), end_h)
    return float(engine.state.slow.scar.mean()), _connectivity(engine, Constant(len(circuit.regions)))


def stress_table(patient: Patient) -> pd.DataFrame:
    """One row per stress: size, days, episodes; scar and connectivity 60 d after the last episode."""
    asked = [(size, days, 1) for size in STRESSES for days in STRESS_DAYS]
    asked += [(1.0, EPISODE_DAYS, episodes) for episodes in range(2, EPISODES + 1)]
    rows = [(*one, *after_stress(patient, *one)) for one in asked]
    return pd.DataFrame(rows, columns=pd.Index(["stress", "days", "episodes", "scar", "connectivity"]))


def measure(file: CircuitFile, parameters: ParameterSet, treatments: Sequence[Treatment]) -> Landscape:
    """Measure the slow manifold, the paths of treatments and what stress leaves, in the typical patient."""
    stuck = StuckPatient.typical(file, parameters)
    patient, checkpoint = stuck.patient, stuck.checkpoint
    stresses = [SteadyActing(f"stress {size:g}", NO_EFFECT._replace(stress=size)) for size in STRESSES]
    steady = [found for treatment in treatments if (found := acting_at_end(patient, treatment))]
    untreated = slow_manifold(patient)
    starts = {"stuck": checkpoint.state, "weakest": weakest_state(patient.circuit)}
    return Landscape(
        stuck=(float(checkpoint.stuck.scar.mean()), checkpoint.stuck.connectivity),
        starts={"health": untreated}
        | {name: slow_manifold(patient, start=start) for name, start in starts.items()},
        manifolds=[untreated, *(slow_manifold(patient, acting) for acting in (*stresses, *steady))],
        paths=[treatment_path(patient, treatment) for treatment in treatments],
        untreated=untreated_course(stuck),
        stress=stress_table(patient),
        file=file,
    )


def ask(circuit: str, treatments: Sequence[str] = ()) -> Answer:
    """The landscape of a circuit, with treatments; names or paths, the default ones if not given."""
    file, parameters = circuit_for(circuit)[0], default_parameters()
    loaded = [Treatment(name, circuit) for name in treatments or DEFAULT_TREATMENTS]
    names = ", ".join(treatment.name for treatment in loaded)
    inputs = inputs_hash(file, parameters, *loaded)
    n = "1 typical patient, mean-field, no noise"
    about = About(f"circuit {file.title}; treatments {names}", n, "none is used", inputs)
    return answer_of(measure(file, parameters, loaded), about)


def answer_of(found: Landscape, about: About) -> Answer:
    """Sentences, tables and the figure."""
    from unstuck_analysis.questions.landscape_figures import SHOWS, landscape_figure

    lines = sentences(found)
    return Answer(
        title="Landscape: how the illness forms and ends",
        finding=lines,
        about=about,
        tables=tables_of(found),
        figures={
            "landscape": Shown(landscape_figure(found), SHOWS.format(readout=found.readout), " ".join(lines))
        },
        printed=["leaving", "stress"],
        data=data_of(found),
    )


def sentences(found: Landscape) -> list[str]:
    """What was found, in sentences."""
    (scar, stuck), rest = found.stuck, found.manifolds[0]
    apart = np.ptp([one.connectivity for one in found.starts.values()], axis=0).max()
    day, follows = found.untreated.first_day, found.manifolds[0].follows_days
    recovers = f"on day {day:.0f}" if isfinite(day) else "on no day within five years"
    low, high = found.manifolds[1].scar_at_rest, found.manifolds[len(STRESSES)].scar_at_rest
    episodes = found.stress[(found.stress.stress == 1) & (found.stress.days == EPISODE_DAYS)]
    whole, name = ("connectivity C", "C") if found.readout == "connectivity" else (found.readout,) * 2
    changes = "decreases" if found.file.readout.ill_when == "weaker" else "increases"
    return [
        f"Every scar has one resting state, not two: {len(found.starts)} starts end within {apart:.4f} in"
        f" {whole}."
        if apart < ONE_STATE
        else f"{len(found.starts)} starts are still up to {apart:.2f} apart in {whole} after"
        f" {SETTLING_DAYS[-1]:.0f} days: it comes to rest slowly, or not in one state.",
        f"{name.capitalize()} at rest {changes} from {rest.connectivity[0]:.2f} without a scar to"
        f" {rest.connectivity[-1]:.2f} with a full one. The stuck patient has scar {scar:.2f} and"
        f" {name} {stuck:.2f}.",
        f"Without treatment every scar heals. At the stuck state it would take {rest.heals_days(scar):.0f}"
        f" days to fall to 1/e. The typical patient reaches R = 0.5 {recovers}.",
        f"At a fixed scar, the distance of {name} from rest shrinks to 1/e in {np.nanmin(follows):.0f} to"
        f" {np.nanmax(follows):.0f} days. So {name} follows the scar with a delay.",
        f"Under stress without end the scar goes to {low:.2f} at stress {STRESSES[0]:g} and to {high:.2f} at"
        f" stress {STRESSES[-1]:g}.",
        f"After 1 to {EPISODES} episodes of {EPISODE_DAYS:.0f} days the scar is {_list(episodes.scar)} and"
        f" {name} is {_list(episodes.connectivity)}.",
    ]


def _list(values: pd.Series) -> str:
    return ", ".join(f"{value:.2f}" for value in values)


def tables_of(found: Landscape) -> dict[str, Table]:
    """Tables by file name: slow manifold, its starts, leaving the stuck state, paths, what stress leaves."""
    manifolds = {one.acting: (one.scar, one.connectivity, one.change_per_day) for one in found.manifolds}
    starts = {name: (one.scar, one.connectivity, one.follows_days) for name, one in found.starts.items()}
    paths = {path.treatment: (path.days, path.scar, path.connectivity) for path in found.paths}
    day = Column("day", unit="d", format=".1f")
    whole = Column("connectivity", found.readout, meaning="1 is health", format=".2f")
    return {
        "slow-manifold": Table((Column("acting"), _SCAR, whole, _CHANGE), _long(manifolds)),
        "starts": Table((Column("start"), _SCAR, whole, _FOLLOWS), _long(starts)),
        "leaving": Table(_LEAVING, _leaving_rows(found), "Recovery from the stuck state"),
        "paths": Table((Column("treatment"), day, _SCAR, whole), _long(paths)),
        "stress": Table.of(
            found.stress, (*_STRESS, whole), f"What stress leaves {REST_DAYS:.0f} days after it"
        ),
    }


def _long(named: dict[str, tuple[Floats, ...]]) -> list[list[Cell]]:
    """One row per name and position of the arrays."""
    return [[name, *row] for name, arrays in named.items() for row in np.array(arrays).T.tolist()]


def _leaving_rows(found: Landscape) -> list[list[Cell]]:
    """One row per treatment. A treatment that does not act on its last day has no steady rate."""
    rows: list[list[Cell]] = []
    for path in found.paths:
        steady, alone = found.under(path.treatment), path.treatment == UNTREATED
        heals = nan if steady is None else steady.heals_days(found.stuck[0])
        course = found.untreated if alone else path.recovery
        later = path.recovery.at(path.gone_day + STILL_RECOVERED_DAYS)
        rows.append([path.treatment, heals, course.first_day, path.recovery.at(STILL_RECOVERED_DAYS), later])
    return rows


def data_of(found: Landscape) -> dict[str, object]:
    """What --json prints."""
    tables, ends = tables_of(found), {"healthy": (0.0, 1.0), "stuck": found.stuck}
    return {
        **{name: {"scar": scar, "connectivity": whole} for name, (scar, whole) in ends.items()},
        "scar_at_rest": {one.acting: one.scar_at_rest for one in found.manifolds},
        **{name.replace("-", "_"): tables[name].records() for name in ("slow-manifold", "leaving", "stress")},
    }


_SCAR = Column("scar", meaning="lasting repression of BDNF synthesis, mean over all cells", format=".2f")
_CHANGE = Column("scar_change", "change of the scar", "per day", format="+.4f")
_FOLLOWS = Column("follows_days", "follows in", "d", "time to 1/e of the distance from rest", ".0f")
_STRESS = (
    Column("stress", meaning="0 to 1", format=".2f"),
    Column("days", unit="d", meaning="length of each episode", format=".0f"),
    Column("episodes", meaning=f"each followed by {REST_DAYS:.0f} d of rest", format=".0f"),
    _SCAR,
)
_LEAVING = (
    Column("treatment"),
    Column("scar_days", "scar heals in", "d", "fall to 1/e at the stuck state, drug at steady state", ".0f"),
    Column("recovered_day", "recovered on day", "", "first day with R at least 0.5", ".1f", "none"),
    Column("recovery_84", "R on day 84", format=".2f"),
    Column("recovery_later", "R later", "", "12 weeks after the drug has left the body", ".2f"),
)
