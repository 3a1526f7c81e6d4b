"""The protocols of the reference trajectories, and the state under the names of their columns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, inf, log
from pathlib import Path

import numpy as np
import pandas as pd
from protocols import kept
from unstuck.circuit import Circuit, healthy_state
from unstuck.engine.readouts import connectivity, population_means
from unstuck.engine.step import Accuracy, Engine
from unstuck.parameters import default_parameters
from unstuck.state import Floats, State
from unstuck.targets import NO_EFFECT, Effects

FOLDER = Path(__file__).parent.parent / "reference"
DAY_H = 24.0
P = default_parameters()


@dataclass
class ByLaw:
    """An exposure given as a law of time (h), with the hours at which it jumps."""

    law: Callable[[float], Effects]
    jumps_h: list[float] = field(default_factory=list)
    regions: int = 5
    local_columns: int = 0

    def reported(self, time_h: float) -> tuple[Effects, Floats]:
        """What acts at this moment."""
        return self.law(time_h), np.zeros(self.regions)

    def at_times(self, times_h: Floats) -> tuple[Floats, Floats]:
        """The same at each of the times."""
        effects = [self.law(hour) for hour in times_h.tolist()]
        return np.array(effects), np.zeros((len(effects), self.regions))

    reported_at = at_times


def held(effects: Effects, until_h: float = inf) -> ByLaw:
    """Constant effects from hour 0 on."""
    return ByLaw(
        lambda time_h: effects if time_h < until_h else NO_EFFECT, [until_h] if until_h < inf else []
    )


def ssri(odds: float, until_h: float) -> ByLaw:
    """An SSRI: the plasma level rises while it is taken and then halves every hS."""

    def law(time_h: float) -> Effects:
        level = 1.0 - exp(-min(time_h, until_h) / P["ton"])
        level *= 0.5 ** (max(0.0, time_h - until_h) / P["hS"])
        return Effects(sert_occupancy=odds * level / (1.0 + odds * level), trkb_facilitation=P["eT"] * level)

    return ByLaw(law, [until_h])


def tianeptine_like(until_h: float) -> ByLaw:
    """AMPA potentiation that builds up and SERT Vmax times vm; both end at once."""

    def law(time_h: float) -> Effects:
        if time_h >= until_h:
            return NO_EFFECT
        return Effects(ampa=P["tiam"] * (1.0 - exp(-time_h / P["ton"])), sert_vmax_factor=P["vm"])

    return ByLaw(law, [until_h])


def ketamine_like(days: Sequence[float]) -> ByLaw:
    """NMDA block by the parent, AMPA potentiation by the metabolite; doses on these days."""
    forming, leaving = log(2.0) / P["hF"], log(2.0) / P["hM"]

    def block(concentration: float, half_block: float) -> float:
        scaled = (concentration / half_block) ** P["nK"]
        return scaled / (1.0 + scaled)

    def law(time_h: float) -> Effects:
        since = [time_h - day * DAY_H for day in days if time_h >= day * DAY_H]
        parent = sum(P["Cmax"] * 0.5 ** (hour / P["hK"]) for hour in since)
        metabolite = sum(exp(-leaving * hour) - exp(-forming * hour) for hour in since)
        return Effects(
            ampa=P["kam"] * forming / (forming - leaving) * metabolite,
            nmda_block_interneuron=block(parent, P["kKi"]),
            nmda_block_principal=block(parent, P["kKp"]),
        )

    return ByLaw(law, [day * DAY_H for day in days if day > 0])


def psilocybin_like() -> ByLaw:
    """A drive of TrkB that is largest at hP."""
    return ByLaw(lambda time_h: Effects(trkb_drive=P["ptr"] * time_h / P["hP"] * exp(1.0 - time_h / P["hP"])))


# From which state each protocol starts, and what acts.
PROTOCOLS: Mapping[str, tuple[str, ByLaw]] = {
    "healthy": ("healthy", held(NO_EFFECT)),
    "small-knock": ("knocked", held(NO_EFFECT)),
    "stress-7d": ("healthy", held(Effects(stress=1.0), 7 * DAY_H)),
    "stress-21d": ("healthy", held(Effects(stress=1.0), 21 * DAY_H)),
    "stress-mild-120d": ("healthy", held(Effects(stress=0.15))),
    "stress-42d-rest-60d": ("healthy", held(Effects(stress=1.0), 42 * DAY_H)),
    "untreated": ("stuck", held(NO_EFFECT)),
    "ssri-84d": ("stuck", ssri(P["odds"], 84 * DAY_H)),
    "ssri-14d": ("stuck", ssri(P["odds"], 14 * DAY_H)),
    "ssri-rat-healthy": ("healthy", ssri(P["oddsR"], 84 * DAY_H)),
    "tianeptine-84d": ("stuck", tianeptine_like(84 * DAY_H)),
    "ssre-only-84d": ("stuck", held(Effects(sert_vmax_factor=P["vm"]))),
    "ketamine-1": ("stuck", ketamine_like([0])),
    "ketamine-6": ("stuck", ketamine_like([0, 2, 4, 7, 9, 11])),
    "psilocybin-1": ("stuck", psilocybin_like()),
    "gaba-down-6h": ("stuck", held(Effects(gaba_gain=0.65), 6.0)),
    "nmda-block-84d": ("stuck", held(Effects(nmda_block_interneuron=0.15, nmda_block_principal=0.15))),
}


def trajectory(name: str) -> pd.DataFrame:
    """A reference trajectory, indexed by hour."""
    return pd.read_csv(FOLDER / "trajectories" / f"{name}.csv", index_col="time_h")


def scaled_strength(circuit: Circuit, factor: float) -> State:
    """The healthy state with all plastic strengths multiplied."""
    state = healthy_state(circuit)
    for part in (state.slow.labile, state.slow.intermediate, state.slow.consolidated):
        part *= factor
    return state


def starting_state(circuit: Circuit, start: str, stuck: State | None) -> State | None:
    """The state a protocol starts from; None is health."""
    return {"healthy": None, "knocked": scaled_strength(circuit, 0.9), "stuck": stuck}[start]


def follow(
    circuit: Circuit, name: str, accuracy: Accuracy, stuck: State | None, hours: Sequence[float]
) -> dict[float, State]:
    """The settled states of a protocol at these hours (sorted)."""
    start, exposure = PROTOCOLS[name]
    engine = Engine(circuit, starting_state(circuit, start, stuck), accuracy=accuracy)
    seen = {0.0: engine.settled(*exposure.reported(0.0))}
    engine.advance(exposure, max(hours), output_h=hours, on_output=kept(seen))
    return {hour: seen[hour] for hour in hours}


def columns(circuit: Circuit, state: State) -> dict[str, float]:
    """A state under the names of the reference's columns."""
    slow, of_projection = state.slow, circuit.wiring.plastic.projection
    strength = {
        kind: np.bincount(of_projection, weights=part, minlength=len(circuit.projections))
        / np.diff(circuit.wiring.populations.first)[circuit.wiring.projection_post]
        for kind, part in (("c", slow.consolidated), ("l", slow.labile), ("m", slow.intermediate))
    }
    whole = strength["c"] + strength["l"] + strength["m"]
    by_population = {
        "x": state.x,
        "bdnf": slow.bdnf,
        "trkb": slow.trkb,
        "scar": slow.scar,
        "recent_x": slow.recent_activity,
    }
    means = {
        f"{kind}_{population}": float(value)
        for kind, values in by_population.items()
        for population, value in zip(circuit.populations, population_means(circuit, values), strict=True)
    }
    return {
        "connectivity": connectivity(circuit, state)[0],
        "labile_share": float(strength["l"][circuit.readout].sum() / whole[circuit.readout].sum()),
        "trkb_mean_mPFC_HPC_NAc": float(np.mean([means[f"trkb_{r}_P"] for r in ("mPFC", "HPC", "NAc")])),
        **means,
        **{f"serotonin_nM_{r}": float(s) for r, s in zip(circuit.regions, state.monoamine_nM, strict=True)},
        **{
            f"{kind}_{circuit.projections[number].replace(' ', '')}": float(strength[kind][number])
            for kind in strength
            for number in np.unique(of_projection)
        },
        "autoreceptor_sensitivity": float(slow.autoreceptor_sensitivity[0]),
        "nmda_receptors_interneuron": float(slow.nmda_receptors[circuit.populations.index("mPFC_I")]),
        "nmda_receptors_principal": float(slow.nmda_receptors[circuit.populations.index("mPFC_P")]),
        "gaba_receptors": float(slow.gaba_receptors[0]),
    }
