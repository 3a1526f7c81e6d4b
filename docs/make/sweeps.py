"""Sweeps over the same network by several programs: ours, C, and programs in environments of their own.

A sweep computes, for every neuron, the activity that it is driven to, and moves its activity a share of the
way. The network is drawn for our circuit and exported. The programs are in peers/.
"""

import ctypes
import os
import statistics
import subprocess
import time
import venv
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from unstuck.circuit import Wiring, healthy_state, network_circuit
from unstuck.engine.neuron import Fast, act_locally
from unstuck.engine.settle import Work, monoamines_and_surroundings, sweep, whole_strength, work_for
from unstuck.files.circuit import CircuitFile
from unstuck.files.find import read
from unstuck.parameters import default_parameters
from unstuck.rules.compiled import compiled
from unstuck.state import Floats
from unstuck.targets import NO_EFFECT

PROGRAMS = Path(__file__).parent / "peers"
C, OURS = "C", "Unstuck"
FLAGS = {C: ("-O3", "-march=native"), "C with -ffast-math": ("-O3", "-march=native", "-ffast-math")}
ROUNDS, LARGEST_DIFFERENCE, SEED = 15, 1e-9, 1

Round = Callable[[], tuple[float, Floats]]  # makes sweeps: processor time (s), and the activity at the end


@dataclass(frozen=True)
class Peer:
    """Another program: its name, what pip installs, and how many times fewer sweeps a round has."""

    title: str
    packages: tuple[str, ...]
    fewer: int = 1


PEERS = {  # by the name of the file in peers/
    "annarchy_sweeps": Peer("ANNarchy 5.0.4.1", ("ANNarchy==5.0.4.1", "scipy")),
    "brian2_sweeps": Peer("Brian2 2.9.0, standalone C++", ("brian2==2.9.0", "numpy<2.4")),
    "mesa_sweeps": Peer("Mesa 3.3.1, agents in Python", ("mesa==3.3.1",), fewer=50),
}


class PeerError(RuntimeError):
    """A program that cannot be installed, or ends too early."""


@dataclass(frozen=True)
class Network:
    """A network in health: for our engine, and as arrays for other programs, sorted by target.

    arrays: one weight per synapse with all gains; x: activity at the start; share: 1 / sweeps, so that every
    sweep too few or too many changes the result.
    """

    wiring: Wiring
    work: Work
    sweeps: int
    arrays: Mapping[str, Any]

    @property
    def synapses(self) -> int:
        """Number of synapses."""
        return len(self.arrays["pre"])


def draw_network(neurons: int, sweeps: int) -> Network:
    """A network of the default circuit for so many sweeps per round."""
    file, _ = read("circuits", "default", CircuitFile)
    circuit = network_circuit(file, default_parameters(), neurons, np.random.default_rng(SEED))
    w, do, state = circuit.wiring, work_for(circuit.wiring), healthy_state(circuit)
    whole_strength(w, state.slow, do.around.strength, do.excitation)
    act_locally(w, NO_EFFECT, np.zeros(w.regions), do.here)
    fast = Fast(state.x, state.monoamine_nM)
    monoamines_and_surroundings(w, circuit.rules, NO_EFFECT, state.slow, fast, do)
    start = {"x": np.random.default_rng(SEED).uniform(0.5, 1.5, neurons), "share": 1.0 / sweeps}
    return Network(w, do, sweeps, exported(w, do) | start)


def exported(w: Wiring, do: Work) -> dict[str, Any]:
    """The network with one weight per synapse and without gains."""
    k = w.population
    parts = (
        (w.excitatory, w.excitatory.weight, do.around.gain),
        (w.plastic, do.around.strength, do.around.gain),
        (w.inhibitory, w.inhibitory.weight, -do.around.inhibition),
    )
    posts = [np.repeat(np.arange(k.size), np.diff(s.start.astype(int))) for s, _, _ in parts]
    weights = [
        strength * (gain[k] * w.scaling)[post] for (_, strength, gain), post in zip(parts, posts, strict=True)
    ]
    post, pre = np.concatenate(posts), np.concatenate([synapses.pre for synapses, _, _ in parts])
    order, counts = np.argsort(post, kind="stable"), np.bincount(post, minlength=k.size)
    return {
        "start": np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
        "pre": pre[order].astype(np.int32),
        "post": post[order].astype(np.int32),
        "weight": np.concatenate(weights)[order],
        "bias": w.bias + w.scaling * do.around.input_drive[k],
        "highest": w.highest_activity,
    }


def by_scipy(network: Network, sweeps: int) -> Floats:
    """Activity after some sweeps, which every program must reach."""
    of, x = network.arrays, network.arrays["x"].copy()
    weights = csr_array((of["weight"], of["pre"], of["start"]), (len(x), len(x)))
    for _ in range(sweeps):
        squared = np.maximum(weights @ x + of["bias"], 0.0) ** 2
        x += of["share"] * (of["highest"] * squared / (1.0 + squared) - x)
    return x


@compiled
def our_sweeps(w: Wiring, x: Floats, do: Work, share: float, count: int) -> None:
    """Sweeps of the engine."""
    for _ in range(count):
        sweep(w, x, do)
        for i in range(x.size):
            x[i] += share * (do.driven[i] - x[i])


def our_round(network: Network) -> Round:
    """Sweeps of the engine."""

    def a_round() -> tuple[float, Floats]:
        x, share = network.arrays["x"].copy(), network.arrays["share"]
        begun = time.process_time()
        our_sweeps(network.wiring, x, network.work, share, network.sweeps)
        return time.process_time() - begun, x

    return a_round


def c_round(network: Network, flags: Sequence[str], folder: Path) -> Round:
    """Sweeps of peers/sweeps.c, compiled with some flags."""
    library = folder / f"sweeps{''.join(flags)}.so"
    objects = library.with_suffix(".o")
    subprocess.run(["cc", *flags, "-c", "-fPIC", "-o", objects, PROGRAMS / "sweeps.c"], check=True)
    # A library that is linked with -ffast-math would make the whole process round subnormals to 0.
    subprocess.run(["cc", "-shared", "-o", library, objects], check=True)
    run, of = ctypes.CDLL(str(library)).sweeps, network.arrays
    share, inputs = ctypes.c_double(of["share"]), ("start", "pre", "weight", "bias", "highest")

    def a_round() -> tuple[float, Floats]:
        x, driven = of["x"].copy(), np.empty(len(of["x"]))
        arrays = [*(of[name] for name in inputs), x, driven]
        addresses = [ctypes.c_void_p(array.ctypes.data) for array in arrays]
        begun = time.process_time()
        run(len(x), *addresses, share, network.sweeps)
        return time.process_time() - begun, x

    return a_round


def install(name: str, folder: Path) -> None:
    """Make the environment of a peer in a folder, unless it is there.

    Raises:
        PeerError: pip cannot install it.
    """
    home = folder / name
    if (home / "installed").exists():
        return
    venv.create(home, with_pip=True, clear=True)
    pip = [home / "bin" / "python", "-m", "pip", "install", "--quiet", *PEERS[name].packages]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PeerError(f"pip: {done.stderr.strip().splitlines()[-1]}")
    (home / "installed").touch()


def peer_round(name: str, network: Path, sweeps: int, folder: Path, running: ExitStack) -> Round:
    """Sweeps of a peer's program, which makes a round per line of input and ends with `running`.

    Raises:
        PeerError: the program ends before it is ready, or within a round.
    """
    home, log = folder / name, folder / f"{name}.log"
    path = os.pathsep.join([str(home / "bin"), os.environ["PATH"]])
    process = subprocess.Popen(
        ["python", PROGRAMS / f"{name}.py", network, str(sweeps)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=running.enter_context(log.open("w")),
        text=True,
        cwd=folder,
        env=os.environ | {"PATH": path, "VIRTUAL_ENV": str(home), "HOME": str(folder)},
    )
    asked, answers = running.enter_context(process).stdin, process.stdout
    assert answers is not None

    def answer(word: str) -> str:
        for line in answers:
            if line.startswith(word):
                return line.removeprefix(word)
        raise PeerError(["no message", *log.read_text().splitlines()][-1])

    def a_round() -> tuple[float, Floats]:
        print(file=asked, flush=True)
        return float(answer("seconds ")), np.load(network.with_suffix(f".{name}.npy"))

    answer("ready")
    return a_round


def compared(
    rounds: Mapping[str, Round], wanted: Mapping[str, Floats], work: Mapping[str, float]
) -> dict[str, Any]:
    """Time per work of each program, and its ratio to the first: median, lowest and highest of the rounds.

    Programs take turns. work: sweeps times synapses per round.

    Raises:
        ValueError: a program has another result than wanted.
    """
    seconds: dict[str, list[float]] = {name: [] for name in rounds}
    for number in range(1 + ROUNDS):  # the first one is not counted
        for name, a_round in rounds.items():
            spent, x = a_round()
            off = np.max(np.abs(x - wanted[name]))
            if not off <= LARGEST_DIFFERENCE:
                raise ValueError(f"{name} has a wrong result: the activity of a neuron differs by {off:.1e}")
            if number:
                seconds[name].append(spent / work[name])
    first = np.array(next(iter(seconds.values())))
    ratios = {name: np.array(each) / first for name, each in seconds.items()}
    return {
        name: {
            "ns": 1e9 * statistics.median(seconds[name]),
            "ratio": [float(of(ratio)) for of in (np.median, np.min, np.max)],
        }
        for name, ratio in ratios.items()
    }


def with_programs(
    network: Network, folder: Path, peers: Mapping[str, Peer], missing: dict[str, str]
) -> dict[str, Any]:
    """Our sweeps compared with C and with peers; those that cannot run are added to missing, with why."""
    path = folder / f"network{len(network.arrays['x'])}.npz"
    np.savez(path, **network.arrays)
    rounds = {name: c_round(network, flags, folder) for name, flags in FLAGS.items()}
    rounds[OURS], sweeps = our_round(network), dict.fromkeys([*FLAGS, OURS], network.sweeps)
    with ExitStack() as running:
        for name, peer in peers.items():
            try:
                install(name, folder)
                count = network.sweeps // peer.fewer
                rounds[peer.title] = peer_round(name, path, count, folder, running)
                sweeps[peer.title] = count
            except PeerError as fault:
                missing[peer.title] = str(fault)
        results = {count: by_scipy(network, count) for count in set(sweeps.values())}
        work = {name: float(network.synapses * count) for name, count in sweeps.items()}
        return compared(rounds, {name: results[count] for name, count in sweeps.items()}, work)
