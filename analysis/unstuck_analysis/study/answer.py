"""The answer of a study in one sentence: a threshold, or the lowest and highest mean."""

import numpy as np
import pandas as pd

from unstuck_analysis.study.figures import SHARES, axis_name, axis_value, counted, shown_as, shown_outcomes
from unstuck_analysis.study.results import Results

HALF = 0.5


def answer(results: Results, outcome: str = "") -> str:
    """A sentence about an outcome, by default the first that the study names; empty if no patient counts."""
    outcome = outcome or shown_outcomes(results, 1)[0]
    table = counted(results.by_path(), outcome)
    paths = [path for path in results.plan.paths if len(set(table[path])) > 1]
    if table.empty or not (paths or table.treatment.nunique() > 1):
        return ""
    share = bool(table[outcome].dtype == SHARES)
    if share and len(paths) == 2 and table.treatment.nunique() == 1:
        grid = table.astype({outcome: float}).pivot_table(index=paths[0], columns=paths[1], values=outcome)
        if _rises(grid):
            return _from_where(results, outcome, grid)
    return _lowest_and_highest(results, outcome, table, paths, share=share)


def _rises(grid: pd.DataFrame) -> bool:
    """Whether a share never sinks below one half again along a row."""
    reached = (grid >= HALF).to_numpy()
    return bool((np.diff(reached.astype(int), axis=1) >= 0).all() and reached.any() and not reached.all())


def _from_where(results: Results, outcome: str, grid: pd.DataFrame) -> str:
    """The smallest value of the second axis at which half of the patients count, per value of the first."""
    up, across = str(grid.index.name), str(grid.columns.name)
    lengths, found, never = grid.columns.to_numpy(dtype=float), list[str](), list[str]()
    for value, shares in zip(grid.index.to_numpy(dtype=float), grid.to_numpy(), strict=True):
        if (shares >= HALF).any():
            first = axis_value(results, across, lengths[np.argmax(shares >= HALF)])
            found.append(f"{first} at {'' if found else axis_name(up) + ' '}{value:g}")
        else:
            never.append(f"{value:g}")
    fewer = f"; fewer at {' and '.join(never)}" if never else ""
    return (
        f"At least half of the patients are {shown_as(outcome)} from {axis_name(across)}"
        f" {', '.join(found)}{fewer}."
    )


def _lowest_and_highest(
    results: Results, outcome: str, table: pd.DataFrame, paths: list[str], *, share: bool
) -> str:
    """The points with the lowest and the highest mean."""
    keys = [*paths, "treatment"]
    grouped = table.astype({outcome: float}).groupby(keys, sort=False, as_index=False)
    means = pd.DataFrame(grouped[[outcome]].mean()).dropna(subset=outcome)
    values, points = means[outcome].to_numpy(dtype=float), means[keys].to_numpy(dtype=object)
    ends = (int(values.argmin()), int(values.argmax()))
    texts = [f"{values[end]:.0%}" if share else f"{values[end]:.3g}" for end in ends]
    places = [_place(results, keys, tuple(points[end])) for end in ends]
    what = f"Share {shown_as(outcome)}" if share else f"Mean {shown_as(outcome)}"
    return f"{what}: lowest {texts[0]} ({places[0]}), highest {texts[1]} ({places[1]})."


def _place(results: Results, keys: list[str], values: tuple[object, ...]) -> str:
    *settings, treatment = zip(keys, values, strict=True)
    texts = [f"{axis_name(key)} {axis_value(results, key, float(str(value)))}" for key, value in settings]
    arms = [str(treatment[1])] if len(results.inputs.basis.arms) > 1 else []
    return ", ".join([*arms, *texts])
