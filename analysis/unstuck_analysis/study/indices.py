"""What an outcome of a sampled study depends on: Sobol indices or Morris measures of every axis.

A group of points in which a value is missing is left out whole, never filled in, and counted. Sources:
Saltelli 2010 (10.1016/j.cpc.2009.09.018); Morris 1991 (10.1080/00401706.1991.10484804); SALib, Herman & Usher
2017 (10.21105/joss.00097).
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from unstuck.state import Floats

from unstuck_analysis.study.design import MORRIS_LEVELS, Design, problem_of, unit_sample
from unstuck_analysis.study.figures import counted
from unstuck_analysis.study.results import Results

DESIGNS = ("sobol", "morris")
MEASURES = {"sobol": ("S1", "S1_conf", "ST", "ST_conf"), "morris": ("mu", "mu_star", "mu_star_conf", "sigma")}
SHOWN = {"sobol": ("S1", "ST"), "morris": ("sigma", "mu_star")}
FEWEST_COMPLETE = 0.5  # share of the groups of points; with fewer of them no indices are given


class Indices(NamedTuple):
    """Measures by axis (`MEASURES`, 95 % half-widths in `_conf`), or None; note: why, or what is left out."""

    table: pd.DataFrame | None
    note: str = ""


def indices_of(design: Design, seed: int, values: Floats) -> Indices:
    """The measures of one outcome.

    Args:
        design: a design `sobol` or `morris`.
        seed: the seed of the study.
        values: (points,) as planned; NaN where a value is missing.
    """
    size = len(design.vary) + (2 if design.design == "sobol" else 1)  # points of a group
    groups = values.reshape(-1, size)
    complete = ~np.isnan(groups).any(axis=1)
    if complete.sum() < max(2, FEWEST_COMPLETE * len(groups)):
        return Indices(None, f"only {complete.sum()} of {len(groups)} groups of points have all their values")
    y = groups[complete].ravel()
    if np.ptp(y) == 0:
        return Indices(None, f"the outcome is constant: {y[0]:.6g} at every point")
    x = unit_sample(design, seed).reshape(*groups.shape, -1)[complete].reshape(len(y), -1)
    note = "" if complete.all() else f"{(~complete).sum()} of {len(groups)} groups of points are left out"
    return Indices(_analysed(design, seed, x, y), note)


def _analysed(design: Design, seed: int, x: Floats, y: Floats) -> pd.DataFrame:
    from SALib.analyze import morris, sobol

    problem = problem_of(design)
    if design.design == "sobol":
        found = sobol.analyze(problem, y, calc_second_order=False, seed=seed)
    else:
        found = morris.analyze(problem, x, y, num_levels=MORRIS_LEVELS, seed=seed)
    measures = {name: np.asarray(found[name], dtype=float) for name in MEASURES[design.design]}
    return pd.DataFrame({"axis": problem["names"], **measures})


def indices(results: Results, outcome: str, treatment: str) -> Indices:
    """The measures of the mean of an outcome over the patients who count, under one treatment."""
    table = results.outcomes()
    planned = results.plan.table.loc[results.plan.table.treatment == treatment]
    rows = counted(table, outcome)
    rows = rows.loc[rows.treatment == treatment, ["point", outcome]].astype(float)
    means = rows.groupby("point")[outcome].mean().reindex(np.unique(planned.point))
    found = indices_of(results.inputs.study, results.inputs.study.seed, means.to_numpy())
    if not (missing := len(planned) - len(rows)):
        return found
    here = table.loc[table.treatment == treatment]
    reasons = {
        "not finished": len(planned) - len(here),
        "failed": int((here.status == "failed").sum()),
        "did not become stuck": int((here.not_stuck.fillna(False) & (here.status == "done")).sum()),
    }
    told = ", ".join(f"{count} {reason}" for reason, count in reasons.items() if count)
    without = f"{missing} of {len(planned)} runs have no value" + (f" ({told})" if told else "")
    return found._replace(note="; ".join(filter(None, (found.note, without))))
