"""How long noise takes to push the typical patient out of a stable state: first passages, with censoring.

Noise is the model's own: one Ornstein-Uhlenbeck process a region on the input of its principal cells. A
patient has escaped when the position in the ditch lies half-way between the point of no return and the
other stable state, so that a short visit beyond the edge does not count. Runs that stay are censored at the
end.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from unstuck.circuit import Floats
from unstuck.drugs.exposure import PatientExposure, daily_noise
from unstuck.engine.step import Engine
from unstuck.files.units import HOURS_A_DAY

from unstuck_analysis.outcomes import kaplan_meier_median
from unstuck_analysis.questions.fixed_points import state_of
from unstuck_analysis.questions.landscape import Landscape

NOISE_LEVELS = (0.002, 0.003, 0.005, 0.01)  # sigma_n, in drive; 0.002 is the shipped value
_LOOK_DAYS = 28  # how often a run looks whether it has escaped


def first_passage_day(landscape: Landscape, start: Floats, noise: Floats, *, upwards: bool) -> float | None:
    """Day on which a run under daily noise (days, regions) has left where it started; None if it stays."""
    coordinate = landscape.coordinate
    goal = 0.5 * (coordinate.point_of_no_return + (1.0 if upwards else 0.0))
    exposure = PatientExposure(landscape.circuit.regions, [], [], noise, len(noise) * HOURS_A_DAY)
    engine = Engine(landscape.circuit, state_of(landscape.circuit, start))
    crossed: list[float] = []

    def look(hour: float, position: float) -> None:
        if (position >= goal) == upwards:
            crossed.append(hour / HOURS_A_DAY)

    for day in range(_LOOK_DAYS, len(noise) + 1, _LOOK_DAYS):
        engine.advance(
            exposure,
            day * HOURS_A_DAY,
            on_step=lambda hour, state: look(hour, coordinate.position(state.y)),
        )
        if crossed:
            return crossed[0]
    return None


def escape_times(
    landscape: Landscape, noise_levels: Sequence[float], *, runs: int, years: float, seed: int
) -> pd.DataFrame:
    """One row a run: sigma_n, from ("stuck" or "healthy"), run, day (escape or censoring) and escaped."""
    assert landscape.stuck is not None
    starts = {"stuck": landscape.stuck.y, "healthy": landscape.healthy.y}
    days, regions = int(years * 365.25), len(landscape.circuit.regions)
    tau_h, rows = landscape.circuit.parameters["tau_n"], []
    for sigma in noise_levels:
        for state, start in starts.items():
            for run in range(runs):
                rng = np.random.default_rng(np.random.SeedSequence([seed, run, state == "stuck"]))
                noise = daily_noise(days, regions, sigma, tau_h, rng)
                day = first_passage_day(landscape, start, noise, upwards=state == "stuck")
                rows.append((sigma, state, run, days if day is None else day, day is not None))
    return pd.DataFrame(rows, columns=pd.Index(["sigma_n", "from", "run", "day", "escaped"]))


def escape_table(times: pd.DataFrame) -> pd.DataFrame:
    """One row a noise level and state: runs, escapes, and the Kaplan-Meier median (NaN: not reached)."""

    def row(runs: pd.DataFrame) -> dict[str, object]:
        median = kaplan_meier_median(runs.day.to_numpy(), runs.escaped.to_numpy())
        first = {"sigma_n": runs.sigma_n.iloc[0], "from": runs["from"].iloc[0], "runs": len(runs)}
        return {
            **first,
            "escaped": int(runs.escaped.sum()),
            "median_day": np.nan if median is None else median,
        }

    return pd.DataFrame([row(runs) for _, runs in times.groupby(["sigma_n", "from"])])
