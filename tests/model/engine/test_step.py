"""Firing settles where the fast equations settle; steps are exact, no matter which times are watched."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from protocols import TIGHT, Held, states_at
from reference import scaled_strength
from scipy.integrate import solve_ivp
from unstuck.circuit import INTERNEURON, Circuit, healthy_state, mean_field_circuit, network_circuit
from unstuck.engine import step as engine_module
from unstuck.engine.neuron import Fast, act_locally, neuron_activity, surround
from unstuck.engine.readouts import connectivity
from unstuck.engine.settle import (
    RunError,
    settle,
    settled_state,
    whole_strength,
    work_for,
)
from unstuck.engine.step import Accuracy, Engine
from unstuck.files.circuit import CircuitFile
from unstuck.parameters import ParameterSet, default_parameters
from unstuck.state import VARIABLES, Floats, Layout, State, bound
from unstuck.targets import NO_EFFECT, Effects

SECONDS = {"interneuron": 0.010, "other": 0.020, "serotonin": 1.7}


def driven_to(circuit: Circuit, state: State, effects: Effects, x: Floats, serotonin_nM: Floats) -> Floats:
    """The activity F(x) that every neuron is driven to, under serotonin that need not have settled."""
    w, p, do = circuit.wiring, circuit.rules, work_for(circuit.wiring)
    whole_strength(w, state.slow, do.around.strength, do.excitation)
    act_locally(w, effects, np.zeros(len(circuit.regions)), do.here)
    surround(w, p, effects, do.here, state.slow, serotonin_nM, do.around)
    return np.array([neuron_activity(w, do.around, x, i) for i in range(circuit.neurons)])


def fast_change(circuit: Circuit, state: State, effects: Effects, fast: Floats) -> Floats:
    """tau dx/dt = F(x) - x and dS/dt = (release - clearance) S0 / 1.7 s, of [x, S/S0] (1/s)."""
    w, p, n, e = circuit.wiring, circuit.rules.serotonin, circuit.neurons, effects
    x, serotonin_nM = fast[:n], fast[n:] * p.S0
    tau = np.where(w.populations.cells[w.population] == INTERNEURON, SECONDS["interneuron"], SECONDS["other"])
    raphe = x[circuit.members(circuit.populations[w.sources[0]])].mean()
    free, vmax = 1 - e.sert_occupancy, e.sert_vmax_factor * state.slow.sert_vmax_following[0]
    by_transporter = vmax * free * serotonin_nM * (p.Km + p.S0) / ((p.Km + free * serotonin_nM) * p.S0)
    cleared = (1 - w.uncleared) * by_transporter + w.uncleared * serotonin_nM / p.S0
    surplus = raphe * e.release_gain - cleared
    driven = driven_to(circuit, state, effects, x, serotonin_nM)
    return np.concatenate([(driven - x) / tau, surplus / SECONDS["serotonin"]])


def integrated(circuit: Circuit, state: State, effects: Effects, start: Floats, seconds: float) -> Floats:
    """Where the fast equations are after some seconds."""
    solution = solve_ivp(
        lambda _, fast: fast_change(circuit, state, effects, fast),
        (0, seconds),
        start,
        "LSODA",
        rtol=1e-9,
        atol=1e-11,
    )
    return solution.y[:, -1]


def settled(circuit: Circuit, state: State, effects: Effects) -> Floats:
    """[x, S/S0] found by the engine from the firing of the state on."""
    found = settled_state(circuit, state, effects, np.zeros(len(circuit.regions)), 1e-12)
    return np.concatenate([found.x, found.monoamine_nM / circuit.rules.serotonin.S0])


@pytest.fixture(scope="module")
def stuck(mean_field: Circuit) -> State:
    engine, stress = Engine(mean_field), Effects(stress=1.0)
    engine.advance(Held(len(mean_field.regions), stress, {1008.0: NO_EFFECT}), 2448.0)
    return engine.state


ONE_HOUR_AFTER_KETAMINE = Effects(nmda_block_interneuron=0.49, nmda_block_principal=0.17, ampa=0.2)
SITUATIONS: Mapping[str, Effects] = {
    "healthy": NO_EFFECT,
    "stuck": NO_EFFECT,
    "stressed": Effects(stress=1.0),
    "an SSRI on board": Effects(sert_occupancy=0.8),
    "one hour after ketamine": ONE_HOUR_AFTER_KETAMINE,
    "less GABA": Effects(gaba_gain=0.65),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_fixed_point_is_where_the_fast_equations_settle_and_is_stable(
    situation: str, mean_field: Circuit, stuck: State
) -> None:
    state, effects = healthy_state(mean_field) if situation == "healthy" else stuck, SITUATIONS[situation]
    found = settled(mean_field, state, effects)
    start = np.ones_like(found) * (0.9 if situation == "healthy" else 1.0)
    reached = integrated(mean_field, state, effects, start, seconds=300)
    np.testing.assert_allclose(reached, found, rtol=0, atol=1e-6)
    step = 1e-6
    columns = [
        (
            fast_change(mean_field, state, effects, found + step * unit)
            - fast_change(mean_field, state, effects, found - step * unit)
        )
        / (2 * step)
        for unit in np.eye(len(found))
    ]
    assert np.linalg.eigvals(np.array(columns).T).real.max() < 0


@pytest.mark.parametrize("situation", SITUATIONS)
def test_firing_settles_to_one_state_from_any_start(
    situation: str, mean_field: Circuit, network: Circuit, stuck: State
) -> None:
    rng = np.random.default_rng(3)
    for circuit in (mean_field, network):
        state = stuck.copy() if circuit is mean_field else scaled_strength(circuit, 0.7)
        ends: list[Floats] = []
        for low, high in ((1.0, 1.0), (0.0, 0.1), (0.0, 4.0)):
            state.x[:] = rng.uniform(low, high, circuit.neurons)
            ends.append(settled(circuit, state, SITUATIONS[situation]))
        np.testing.assert_allclose(ends[1:], [ends[0]] * 2, rtol=0, atol=1e-8)


def test_near_health_plain_iteration_would_not_settle_but_newton_takes_few_sweeps(
    mean_field: Circuit,
) -> None:
    w, p, state = mean_field.wiring, mean_field.rules, healthy_state(mean_field)
    state.x[:] = 1.02
    fast = Fast(state.x, state.monoamine_nM)
    _, sweeps, fallbacks = settle(w, p, NO_EFFECT, np.zeros(5), state.slow, fast, 1e-10, work_for(w))
    assert sweeps <= 9
    assert fallbacks == 0
    np.testing.assert_allclose(state.x, 1.0, atol=1e-10)


@pytest.mark.parametrize(
    ("symbol", "message"),
    [
        ("tauB", "BDNF of mPFC_P is nan on day 0"),
        ("tauT", "TrkB signalling of mPFC_P is nan on day 0"),
        ("tauD", "autoreceptor sensitivity is nan on day 0"),
        ("kM", "(BDNF|scar) of mPFC_P is nan on day 0"),
        ("k2", "strength of .* > .* is nan on day 0"),
        ("Km", "serotonin in mPFC is nan on day 0"),
        ("K1B", "firing of mPFC_P is nan on day 0"),
    ],
)
def test_a_parameter_that_is_not_a_number_stops_the_run_and_says_where(
    symbol: str, message: str, mean_field: Circuit
) -> None:
    groups = {
        name: group._replace(**{symbol: float("nan")})
        for name, group in mean_field.rules._asdict().items()
        if symbol in group._fields
    }
    broken = replace(mean_field, rules=mean_field.rules._replace(**groups))
    with pytest.raises(RunError, match=message):
        Engine(broken).advance(Held(len(broken.regions)), 24.0)


@pytest.mark.parametrize("name", ["bdnf", "trkb", "labile", "consolidated", "gaba_receptors"])
def test_a_state_that_is_not_a_number_stops_the_run(name: str, mean_field: Circuit) -> None:
    engine = Engine(mean_field)
    getattr(engine.state.slow, name)[0] = np.nan
    with pytest.raises(RunError, match=rf"{VARIABLES[name].meaning}.* is nan on day 0"):
        engine.advance(Held(len(mean_field.regions)), 24.0)


def test_firing_that_is_not_a_number_is_found_again_from_health(mean_field: Circuit) -> None:
    w, p, state = mean_field.wiring, mean_field.rules, healthy_state(mean_field)
    state.x[0] = np.nan
    fast = Fast(state.x, state.monoamine_nM)
    _, _, fallbacks = settle(w, p, NO_EFFECT, np.zeros(5), state.slow, fast, 1e-10, work_for(w))
    assert fallbacks > 0
    np.testing.assert_allclose(state.x, 1.0, atol=1e-10)


def test_a_step_ends_exactly_on_every_event(mean_field: Circuit) -> None:
    events = {
        17.3: Effects(sert_occupancy=0.5),
        17.4: NO_EFFECT,
        100.0: Effects(stress=0.3),
        101.7: NO_EFFECT,
    }
    ends: list[float] = []
    Engine(mean_field).advance(
        Held(len(mean_field.regions), NO_EFFECT, events),
        200.0,
        on_step=lambda hours, _: ends.extend(hours.tolist()),
    )
    assert set(events) <= set(ends)
    assert ends[-1] == 200.0
    assert ends == sorted(ends)


def test_recording_output_changes_no_bit_of_a_run(network: Circuit) -> None:
    exposure = Held(len(network.regions), Effects(stress=0.8), {100.0: Effects(sert_occupancy=0.8)})
    alone, watched = Engine(network), Engine(network)
    alone.advance(exposure, 400.0)
    hours = [*np.arange(0.0, 400.0, 3.7), 100.0, 400.0]  # 100 h is also the start of a step
    seen = states_at(watched, exposure, hours)
    assert len(seen) == len(hours)
    for part in ("y", "x", "monoamine_nM"):
        np.testing.assert_array_equal(getattr(alone.state, part), getattr(watched.state, part))


def test_output_between_steps_lies_on_the_trajectory(mean_field: Circuit) -> None:
    exposure = Held(len(mean_field.regions), Effects(stress=1.0))
    coarse = states_at(Engine(mean_field), exposure, [7.0, 50.0, 111.0])
    fine = states_at(Engine(mean_field, accuracy=TIGHT), exposure, [7.0, 50.0, 111.0])
    for hour in coarse:
        np.testing.assert_allclose(coarse[hour].y, fine[hour].y, rtol=0, atol=1e-3)


def test_a_tenth_of_the_tolerance_moves_recovery_by_less_than_one_thousandth(network: Circuit) -> None:
    regions, ends = len(network.regions), []
    exposure = Held(regions, Effects(stress=1.0), {1008.0: NO_EFFECT, 2448.0: Effects(sert_occupancy=0.8)})
    for slow in (Accuracy().slow, Accuracy().slow / 10):
        engine = Engine(network, accuracy=Accuracy(slow=slow))
        engine.advance(exposure, 2448.0)
        low = connectivity(network, engine.state)[0]
        engine.advance(exposure, 3456.0)
        ends.append((connectivity(network, engine.state)[0] - low) / (1.0 - low))
    assert abs(ends[0] - ends[1]) < 1e-3


def test_the_same_seed_gives_the_same_bits(default_file: CircuitFile, reference: ParameterSet) -> None:
    ends: list[State] = []
    for _ in range(2):
        circuit = network_circuit(default_file, reference, 150, np.random.default_rng(9))
        engine = Engine(circuit)
        engine.advance(Held(len(circuit.regions), Effects(stress=1.0)), 240.0)
        ends.append(engine.state)
    np.testing.assert_array_equal(ends[0].y, ends[1].y)
    np.testing.assert_array_equal(ends[0].x, ends[1].x)


IN_A_PROCESS = """
import hashlib, sys
import numpy as np
sys.path.insert(0, "tests/helpers")
from protocols import Held
from unstuck.circuit import network_circuit
from unstuck.engine.step import Engine
from unstuck.files.circuit import CircuitFile
from unstuck.files.yaml import read_document
from unstuck.parameters import default_parameters, shipped_parameter_file
from unstuck.targets import Effects
file = read_document(shipped_parameter_file().parent / "circuits" / "default.yaml", CircuitFile)
engine = Engine(network_circuit(file, default_parameters(), 120, np.random.default_rng(4)))
engine.advance(Held(5, Effects(sert_occupancy=0.8)), 240.0)
print(hashlib.sha256(engine.state.y.tobytes() + engine.state.x.tobytes()).hexdigest())
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


@pytest.mark.parametrize("symbol", ["taum", "tauB"])
def test_a_run_that_gets_nowhere_stops_and_says_when(
    default_file: CircuitFile, symbol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "MOST_TRIES", 500)
    broken = mean_field_circuit(default_file, default_parameters().with_values(**{symbol: 1e-6}))
    engine = Engine(broken)
    engine.state.slow.labile[:] *= 1.5
    with pytest.raises(RunError, match="change too fast to be followed on day"):
        engine.advance(Held(len(broken.regions)), 100 * 24.0)


class Swing(Held):
    """Effects that swing between two ends, a quarter of the time at the upper one."""

    swings = True

    def swing(self, time_h: float) -> tuple[float, tuple[Effects, Floats], tuple[Effects, Floats]]:
        none = np.zeros(self.regions)
        return 0.25, (Effects(ampa=0.4), none), (Effects(ampa=0.0), none)


def test_where_effects_swing_the_rates_are_the_mean_of_those_at_both_ends(mean_field: Circuit) -> None:
    hour, ends = 0.01, []
    for exposure in (Swing(5), Held(5, Effects(ampa=0.4)), Held(5)):
        engine = Engine(mean_field, accuracy=TIGHT)
        engine.advance(exposure, hour)
        ends.append((engine.state.y - healthy_state(mean_field).y) / hour)
    np.testing.assert_allclose(ends[0], 0.25 * ends[1] + 0.75 * ends[2], rtol=1e-3, atol=1e-6)


EXTREMES = {
    "an 80 % NMDA block": Effects(nmda_block_interneuron=0.8, nmda_block_principal=0.8),
    "much AMPA": Effects(ampa=0.4),
    "little GABA": Effects(gaba_gain=0.6),
    "much GABA": Effects(gaba_gain=1.5),
    "full stress": Effects(stress=1.0),
    "no serotonin": Effects(release_gain=0.0),
    "a full TrkB block": Effects(trkb_block=1.0),
}


@pytest.mark.parametrize("name", EXTREMES)
def test_every_variable_stays_within_its_bounds(name: str, mean_field: Circuit, stuck: State) -> None:
    """Held for 14 d, then stopped for 14 d (stress: 240 d), from health and from the stuck state."""
    days = 240.0 if name == "full stress" else 14.0
    exposure = Held(len(mean_field.regions), EXTREMES[name], {days * 24.0: NO_EFFECT})
    layout, p = mean_field.layout, mean_field.parameters
    lowest = layout.filled(lambda variable: bound(variable.lowest, p))
    highest = layout.filled(lambda variable: bound(variable.highest, p))

    def check(_: Floats, state: State) -> None:
        assert (state.y >= lowest - 1e-3).all()
        assert (state.y <= highest + 1e-3).all()
        assert (state.x >= 0.0).all()
        assert (state.x <= mean_field.wiring.highest_activity).all()

    for start in (healthy_state(mean_field), stuck):
        engine = Engine(mean_field, start)
        engine.advance(exposure, (days + 14.0) * 24.0, on_step=check)


CHANGES = {
    "weaker": ("strength", 0.98, 20.0),
    "stronger": ("strength", 1.01, 20.0),
    "much weaker": ("strength", 0.9, 189.0),
    "much stronger": ("strength", 1.05, 20.0),
    "half TrkB": ("trkb", 0.5, 20.0),
    "double TrkB": ("trkb", 2.0, 20.0),
    "a scar": ("scar", 0.3, 112.0),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_healthy_state_attracts_from_both_sides_in_its_whole_state(
    name: str, mean_field: Circuit
) -> None:
    """All activities and projections are within 0.5 % after the time that the model description lists."""
    what, value, days = CHANGES[name]
    state = scaled_strength(mean_field, value if what == "strength" else 1.0)
    if what != "strength":
        getattr(state.slow, what)[:] = value
    engine = Engine(mean_field, state)
    engine.advance(Held(len(mean_field.regions)), days * 24.0)
    end = engine.settled(NO_EFFECT, np.zeros(len(mean_field.regions)))
    whole = end.slow.labile + end.slow.intermediate + end.slow.consolidated
    assert np.abs(whole / mean_field.wiring.plastic.weight - 1.0).max() < 0.0051
    assert np.abs(end.x - 1.0).max() < 0.0051


def test_every_row_of_the_table_of_variables_is_a_part_of_the_state(mean_field: Circuit) -> None:
    state = healthy_state(mean_field)
    layout: Layout = state.layout
    assert list(VARIABLES) == list(state.slow._fields)
    assert sum(part.size for part in state.slow) == state.y.size
    for position in range(layout.size):
        name, place = layout.place(position)
        before = state.y[position]
        getattr(state.slow, name)[place] = -7.0
        assert state.y[position] == -7.0
        state.y[position] = before
