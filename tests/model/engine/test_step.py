"""Firing settles where the fast equations settle, and the slow state is stepped exactly, whoever watches."""

import subprocess
import sys
from collections.abc import Mapping

import numpy as np
import pytest
from protocols import TIGHT, Held, states_at
from scipy.integrate import solve_ivp
from unstuck.circuit import INTERNEURON, Circuit, Floats, mean_field_circuit, network_circuit
from unstuck.engine import kernels
from unstuck.engine import step as engine_module
from unstuck.engine.step import Accuracy, Engine, RunError, State, healthy_state, settle
from unstuck.files.circuit import CircuitFile
from unstuck.files.treatment import Treatment
from unstuck.parameters import ParameterSet, default_parameters
from unstuck.patient.draw import draw_patient
from unstuck.patient.simulation import Simulation
from unstuck.patient.stability import Undisturbed
from unstuck.rules.serotonin import clearance, release
from unstuck.targets import NO_EFFECT, Effects

SECONDS = {"interneuron": 0.010, "other": 0.020, "serotonin": 1.7}


def fast_change(circuit: Circuit, y: Floats, effects: Effects, fast: Floats) -> Floats:
    """tau dx/dt = F(x) - x and dS/dt = (release - clearance) S0 / 1.7 s, of [x, S/S0] (1/s)."""
    w, p, n, regions = circuit.wiring, circuit.rules, circuit.neurons, len(circuit.regions)
    x, serotonin_nM = fast[:n], fast[n:] * p.S0
    gain, input_drive, driven = np.empty(len(w.cells)), np.empty(len(w.cells)), np.empty(n)
    kernels.population_fields(w, p, effects, np.zeros(regions), y[2 * n], serotonin_nM, gain, input_drive)
    plastic = len(w.plastic.pre)
    strength = y[2 * n + 2 : 2 * n + 2 + plastic] + y[2 * n + 2 + plastic :]
    kernels.fire(w, gain, input_drive, effects.gaba_gain, strength, x, driven)
    cells = np.repeat(w.cells, np.diff(w.first))
    tau = np.where(cells == INTERNEURON, SECONDS["interneuron"], SECONDS["other"])
    raphe, e = x[w.first[w.source] : w.first[w.source + 1]].mean(), effects
    surplus = [
        release(s, raphe, e.release_gain, e.agonist_1b, e.antagonist_1b, p.K1B, p.b1B, p.S0)
        - clearance(s, 1 - e.sert_occupancy, e.sert_vmax * y[2 * n + 1], k, p.Km, p.S0)
        for s, k in zip(serotonin_nM, w.uncleared, strict=True)
    ]
    return np.concatenate([(driven - x) / tau, np.array(surplus) / SECONDS["serotonin"]])


def integrated(circuit: Circuit, y: Floats, effects: Effects, start: Floats, seconds: float) -> Floats:
    """Where the fast equations are after some seconds."""
    solution = solve_ivp(
        lambda _, fast: fast_change(circuit, y, effects, fast),
        (0, seconds),
        start,
        "LSODA",
        rtol=1e-9,
        atol=1e-11,
    )
    return solution.y[:, -1]


def settled(circuit: Circuit, y: Floats, effects: Effects) -> Floats:
    """[x, S/S0] found by the engine's fixed point iteration from health on."""
    x, serotonin_nM = np.ones(circuit.neurons), np.full(len(circuit.regions), circuit.rules.S0)
    settle(circuit, y, x, serotonin_nM, effects, np.zeros(len(circuit.regions)), 1e-12)
    return np.concatenate([x, serotonin_nM / circuit.rules.S0])


@pytest.fixture(scope="module")
def stuck(mean_field: Circuit) -> State:
    engine, stress = Engine(mean_field), Effects(stress=1.0)
    engine.advance(Held(len(mean_field.regions), stress, {1008.0: NO_EFFECT}), 2448.0)
    return engine.state


ONE_HOUR_AFTER_KETAMINE = Effects(
    nmda_interneuron=0.49, nmda_pyramidal=0.17, ampa=0.5, trkb_drive=0.59
)  # 0.62 uM
SITUATIONS: Mapping[str, Effects] = {
    "healthy": NO_EFFECT,
    "stuck": NO_EFFECT,
    "stressed": Effects(stress=1.0),
    "an SSRI on board": Effects(sert_occupancy=0.8),
    "one hour after ketamine": ONE_HOUR_AFTER_KETAMINE,
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_fixed_point_is_where_the_fast_equations_settle(
    situation: str, mean_field: Circuit, stuck: State
) -> None:
    y = healthy_state(mean_field).y if situation == "healthy" else stuck.y
    found = settled(mean_field, y, SITUATIONS[situation])
    start = np.ones_like(found) * (0.9 if situation == "healthy" else 1.0)
    reached = integrated(mean_field, y, SITUATIONS[situation], start, seconds=300)
    np.testing.assert_allclose(reached, found, rtol=0, atol=1e-6)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_fixed_point_is_stable(situation: str, mean_field: Circuit, stuck: State) -> None:
    y, effects = (healthy_state(mean_field).y if situation == "healthy" else stuck.y), SITUATIONS[situation]
    found, step = settled(mean_field, y, effects), 1e-6
    columns = [
        (
            fast_change(mean_field, y, effects, found + step * unit)
            - fast_change(mean_field, y, effects, found - step * unit)
        )
        / (2 * step)
        for unit in np.eye(len(found))
    ]
    assert np.linalg.eigvals(np.array(columns).T).real.max() < 0


def test_a_network_settles_where_its_fast_equations_settle(network: Circuit) -> None:
    y, effects = healthy_state(network).y, Effects(stress=1.0, ampa=0.1)
    found = settled(network, y, effects)
    reached = integrated(network, y, effects, np.ones_like(found), seconds=30)
    np.testing.assert_allclose(reached, found, rtol=0, atol=1e-5)


PUSHED = Effects(stress=1.0, ampa=0.3)


def with_local_weights(
    file: CircuitFile, reference: ParameterSet, ee: float, ei: float, ie: float, ii: float
) -> Circuit:
    """The mean-field with every local weight multiplied."""
    times = {"ee": ee, "ei": ei, "ie": ie, "ii": ii}
    return mean_field_circuit(
        file, reference.with_values(**{symbol: reference[symbol] * k for symbol, k in times.items()})
    )


def test_an_iteration_that_does_not_contract_falls_back_says_so_and_finds_the_firing(
    default_file: CircuitFile, reference: ParameterSet
) -> None:
    circuit = with_local_weights(default_file, reference, 1.8, 2.4, 27.0, 13.0)
    engine = Engine(circuit, accuracy=TIGHT)
    state = engine.settled(PUSHED, np.zeros(len(circuit.regions)))
    assert engine.diagnostics.fallbacks > 0
    found = np.concatenate([state.x, state.serotonin_nM / circuit.rules.S0])
    reached = integrated(circuit, state.y, PUSHED, np.ones_like(found), seconds=60)
    np.testing.assert_allclose(found, reached, rtol=0, atol=1e-6)


def test_firing_that_cannot_settle_stops_the_run_and_names_the_population(
    default_file: CircuitFile, reference: ParameterSet
) -> None:
    circuit = with_local_weights(default_file, reference, 16.8, 11.3, 32.8, 0.05)
    engine = Engine(circuit)
    with pytest.raises(RunError, match=r"firing of \w+_[PIS] does not settle.* on day 0\.00"):
        engine.advance(Held(len(circuit.regions), PUSHED), 24.0)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("tauB", "BDNF of mPFC_P is nan on day 0"),
        ("tauT", "TrkB signalling of mPFC_P is nan on day 0"),
        ("tauD", "autoreceptor sensitivity is nan on day 0"),
        ("kc", "strength of .* > .* is nan on day 0"),
        ("Km", "serotonin in mPFC is nan on day 0"),
        ("g1A", "firing of DRN_S is nan on day 0"),
    ],
)
def test_a_parameter_that_is_not_a_number_stops_the_run_and_says_where(
    rule: str, message: str, mean_field: Circuit
) -> None:
    broken = Circuit(
        mean_field.file,
        mean_field.parameters,
        mean_field.rules._replace(**{rule: float("nan")}),
        mean_field.graph,
        mean_field.wiring,
    )
    with pytest.raises(RunError, match=message):
        Engine(broken).advance(Undisturbed(len(broken.regions)), 24.0)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("bdnf", "BDNF of HPC_I is nan on day 0"),
        ("trkb", "TrkB signalling of HPC_I is nan on day 0"),
        ("labile", "strength of .* > .* is nan on day 0"),
        ("consolidated", "strength of .* > .* is nan on day 0"),
    ],
)
def test_a_slow_state_that_is_not_a_number_stops_the_run(
    part: str, message: str, mean_field: Circuit
) -> None:
    engine = Engine(mean_field)
    getattr(engine.state, part)[mean_field.members("HPC_I").start] = np.nan
    with pytest.raises(RunError, match=message):
        engine.advance(Undisturbed(len(mean_field.regions)), 24.0)


def test_firing_that_is_not_a_number_is_computed_again_from_health(mean_field: Circuit) -> None:
    engine = Engine(mean_field)
    engine.state.x[mean_field.members("HPC_I").start] = np.nan
    engine.advance(Undisturbed(len(mean_field.regions)), 24.0)
    assert np.isfinite(engine.state.x).all()
    assert engine.diagnostics.fallbacks > 0


CLASS_DRUGS = [
    "untreated",
    "ssri-like",
    "ssre-only",
    "tianeptine-like",
    "ketamine-like",
    "ketamine-like-six",
    "psilocybin-like",
]


@pytest.mark.parametrize("name", CLASS_DRUGS)
def test_halving_the_slow_tolerance_hardly_moves_recovery(name: str, reference: ParameterSet) -> None:
    treatment = Treatment(name)
    patient = draw_patient(treatment.circuit, reference, None, seed=2, index=0, neurons=200)
    recoveries = []
    for slow in (Accuracy().slow, Accuracy().slow / 2):
        simulation = Simulation(patient, treatment, None, Accuracy(slow=slow))
        arm = simulation.run(functional_days=())
        recoveries.append({reading.day: arm.recovery(reading.connectivity) for reading in arm.readings})
    assert recoveries[0].keys() == recoveries[1].keys()
    assert max(abs(recoveries[0][day] - recoveries[1][day]) for day in recoveries[0]) < 0.01


def test_a_step_ends_exactly_on_every_event(mean_field: Circuit) -> None:
    events = {
        17.3: Effects(sert_occupancy=0.5),
        17.4: NO_EFFECT,
        100.0: Effects(stress=0.3),
        101.7: NO_EFFECT,
    }
    ends: list[float] = []
    Engine(mean_field).advance(
        Held(len(mean_field.regions), NO_EFFECT, events), 200.0, on_step=lambda hour, _: ends.append(hour)
    )
    assert set(events) <= set(ends)
    assert ends[-1] == 200.0
    assert ends == sorted(ends)


def test_whoever_watches_the_run_stays_the_same_to_the_last_bit(network: Circuit) -> None:
    exposure = Held(len(network.regions), Effects(stress=0.8), {100.0: Effects(sert_occupancy=0.8)})
    alone, watched = Engine(network), Engine(network)
    alone.advance(exposure, 400.0)
    hours = np.arange(0.0, 400.0, 3.7)
    seen = states_at(watched, exposure, [*hours, 400.0])
    assert len(seen) == len(hours) + 1
    for part in ("y", "x", "serotonin_nM"):
        np.testing.assert_array_equal(getattr(alone.state, part), getattr(watched.state, part))


def test_output_between_steps_lies_on_the_course(mean_field: Circuit) -> None:
    exposure = Held(len(mean_field.regions), Effects(stress=1.0))
    coarse = states_at(Engine(mean_field, accuracy=Accuracy(1e-3, 1e-9)), exposure, [7.0, 50.0, 111.0])
    fine = states_at(Engine(mean_field, accuracy=Accuracy(1e-6, 1e-9)), exposure, [7.0, 50.0, 111.0])
    for hour in coarse:
        np.testing.assert_allclose(coarse[hour].y, fine[hour].y, rtol=0, atol=2e-3)


def test_the_same_seed_gives_the_same_bits(default_file: CircuitFile, reference: ParameterSet) -> None:
    ends = []
    for _ in range(2):
        circuit = network_circuit(default_file, reference, 150, np.random.default_rng(9))
        engine = Engine(circuit)
        engine.advance(Held(len(circuit.regions), Effects(stress=1.0)), 240.0)
        ends.append(engine.state)
    np.testing.assert_array_equal(ends[0].y, ends[1].y)
    np.testing.assert_array_equal(ends[0].x, ends[1].x)


IN_A_PROCESS = """
import hashlib
from unstuck.patient.life import Life
from unstuck.parameters import default_parameters
from unstuck.patient.draw import draw_patient
from unstuck.files.treatment import Treatment
treatment = Treatment("ssri-like")
patient = draw_patient(treatment.circuit, default_parameters(), None, seed=4, index=2, neurons=120)
life = Life(patient, treatment)
life.advance(treatment.file.day_0_h + 240.0)
print(hashlib.sha256(life.state.y.tobytes() + life.state.x.tobytes()).hexdigest())
"""


def test_two_processes_come_to_the_same_bits() -> None:
    ends = {
        subprocess.run(
            [sys.executable, "-c", IN_A_PROCESS], check=True, capture_output=True, text=True
        ).stdout
        for _ in range(2)
    }
    assert len(ends) == 1
    assert len(ends.pop().strip()) == 64


def test_a_state_is_copied_not_shared(mean_field: Circuit) -> None:
    state = healthy_state(mean_field)
    engine = Engine(mean_field, state)
    engine.advance(Held(len(mean_field.regions), Effects(stress=1.0)), 24.0)
    np.testing.assert_array_equal(state.y, healthy_state(mean_field).y)
    assert engine.settled(NO_EFFECT, np.zeros(len(mean_field.regions))).y is not engine.state.y


@pytest.mark.parametrize("symbol", ["taul", "tauT"])
def test_a_run_that_gets_nowhere_stops_and_says_when(
    default_file: CircuitFile, symbol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "MOST_TRIES", 500)
    broken = mean_field_circuit(default_file, default_parameters().with_values(**{symbol: 1e-6}))
    engine = Engine(broken)
    engine.state.labile[:] *= 1.5
    with pytest.raises(RunError, match="change too fast to be followed on day"):
        engine.advance(Undisturbed(len(broken.regions)), 100 * 24.0)
