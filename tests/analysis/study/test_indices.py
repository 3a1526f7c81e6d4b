"""Indices of a sampled study: missing points are left out and counted, constant outcomes are named."""

import numpy as np
import pytest
from unstuck_analysis.study.design import Design, unit_sample
from unstuck_analysis.study.indices import indices_of

AXES = {"model.kM": {"from": 0.001, "to": 0.002}, "model.mM": {"from": 0.5, "to": 0.7}}


def sample(kind: str, samples: int) -> tuple[Design, np.ndarray]:
    design = Design.model_validate({"design": kind, "vary": AXES, "samples": samples})
    return design, unit_sample(design, 1)


@pytest.mark.parametrize(("kind", "total"), [("sobol", "ST"), ("morris", "mu_star")])
def test_a_group_of_points_with_a_missing_value_is_left_out_and_counted(kind: str, total: str) -> None:
    design, x = sample(kind, 64)
    y = x[:, 0] + 0.1 * x[:, 1]
    y[0] = np.nan
    table, note = indices_of(design, 1, y)
    assert table is not None
    assert note == "1 of 64 groups of points are left out"
    first, second = table[total]
    assert first > 5 * second > 0


def test_an_outcome_that_many_points_do_not_have_gets_no_indices() -> None:
    design, x = sample("sobol", 8)
    table, note = indices_of(design, 1, np.where(x[:, 0] > 0.5, x[:, 1], np.nan))
    assert table is None
    assert note == "only 2 of 8 groups of points have all their values"


def test_a_constant_outcome_is_reported_as_constant() -> None:
    design, x = sample("sobol", 8)
    constant = (None, "the outcome is constant: 0.25 at every point")
    assert indices_of(design, 1, np.full(len(x), 0.25)) == constant
