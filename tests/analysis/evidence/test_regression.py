"""The regression that predicts the findings of a parameter set."""

from math import inf, nan

import numpy as np
import pytest
from unstuck_analysis.evidence.courses import Floats
from unstuck_analysis.evidence.regression import clipped, fit, ridge

RNG = np.random.default_rng(1)


def quadratic(places: Floats) -> Floats:
    return np.stack([places[:, 0] ** 2 - places[:, 1] * places[:, 2], places[:, 1]], axis=1)


def test_it_learns_a_quadratic_function_and_what_more_patients_change() -> None:
    def in_more_patients(places: Floats) -> Floats:
        return quadratic(places) + 0.3 + 0.2 * places[:, 1:]

    places, new = RNG.uniform(size=(260, 3)), RNG.uniform(size=(50, 3))
    more = (np.arange(260) >= 200).astype(float)
    values = np.vstack([quadratic(places[:200]), in_more_patients(places[200:])])
    ranges = [(0.0, 1.0), (0.5, 1.2)]
    regression = fit(places, values, more, ranges)
    true = in_more_patients(new)
    assert regression.predicted(new) == pytest.approx(true, abs=0.03)
    inside = np.all((true >= np.array(ranges)[:, 0]) & (true <= np.array(ranges)[:, 1]), axis=1)
    found = np.array([regression.likely(place) for place in new])
    assert 0.2 < np.mean(inside) < 0.8
    assert np.mean(found == inside) > 0.9


def test_a_part_that_is_only_noise_is_predicted_by_its_mean() -> None:
    inputs = np.hstack([np.ones((300, 1)), RNG.uniform(-0.5, 0.5, size=(300, 5))])
    values = np.stack([inputs @ np.arange(6.0), RNG.normal(5.0, 1.0, size=300)], axis=1)
    weights = ridge(inputs, values)
    assert weights[:, 0] == pytest.approx(np.arange(6.0), abs=0.01)
    assert weights[:, 1] == pytest.approx([5.0, 0, 0, 0, 0, 0], abs=0.4)


def test_times_that_no_patient_has_count_as_one_width_too_long() -> None:
    low, high = np.array([11.0, -inf, 0.4]), np.array([40.0, 1.0, inf])
    values = np.array([[inf, nan, 0.9], [-50.0, -9.0, -0.1], [20.0, 0.5, 0.5]])
    expected = [[69.0, 2.0, 0.9], [-18.0, -1.0, 0.0], [20.0, 0.5, 0.5]]
    assert clipped(values, low, high) == pytest.approx(np.array(expected))
