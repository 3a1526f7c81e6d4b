"""Predict the findings on cohorts of a parameter set, from sets that were measured before.

The prediction only decides where the sampler looks for sets (history matching). Every set is then simulated.

Sources: Vernon et al. 2010, 10.1214/10-BA524 (history matching); Hoerl and Kennard 1970,
10.1080/00401706.1970.10488634 (ridge regression).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unstuck_analysis.evidence.courses import Floats

PENALTIES = 10.0 ** np.arange(-3.0, 2.1, 0.5)  # of the coefficients; the one that predicts best is taken
FOLDS = 5  # of the cross-validation that chooses the penalty


@dataclass(frozen=True)
class Regression:
    """A quadratic regression on the parameters; what more patients change is linear in the parameters.

    weights: (features, parts); low, high: ranges of the parts (parts,).
    """

    weights: Floats
    low: Floats
    high: Floats

    def predicted(self, places: Floats) -> Floats:
        """Values (sets, parts) in more patients at places (sets, parameters) of the prior."""
        return features(places, np.ones(len(places))) @ self.weights

    def likely(self, place: Floats) -> bool:
        """Whether all values of a set are predicted inside their ranges."""
        values = self.predicted(place[None, :])[0]
        return bool(np.all((self.low <= values) & (values <= self.high)))


def fit(places: Floats, values: Floats, more: Floats, ranges: Sequence[tuple[float, float]]) -> Regression:
    """The regression of values (sets, parts) on places (sets, parameters).

    more: 1 for a set that was measured in more patients, 0 otherwise (sets,); ranges: of the parts.
    """
    low, high = np.array(ranges).T
    return Regression(ridge(features(places, more), clipped(values, low, high)), low, high)


def features(places: Floats, more: Floats) -> Floats:
    """One, the parameters and their products, and what is added in more patients: (sets, features)."""
    centred = places - 0.5
    one, other = np.triu_indices(centred.shape[1])
    linear = np.hstack([np.ones((len(centred), 1)), centred])
    return np.hstack([linear, centred[:, one] * centred[:, other], more[:, None] * linear])


def clipped(values: Floats, low: Floats, high: Floats) -> Floats:
    """Values (sets, parts) that are at most one width outside their ranges.

    A time that no patient has is infinite, and a ratio of two such times has no value. Both count as too
    long. A range without an end is as wide as its other end is large.
    """
    width = np.where(np.isfinite(high - low), high - low, np.where(np.isfinite(high), abs(high), abs(low)))
    least = np.where(np.isfinite(low), low, high - width) - width
    most = np.where(np.isfinite(high), high, low + width) + width
    return np.clip(np.where(np.isnan(values), np.inf, values), least, most)


def ridge(inputs: Floats, values: Floats) -> Floats:
    """Weights (features, parts); each part has the penalty that predicts it best in cross-validation.

    The first feature, a constant, has no penalty.
    """
    fold = np.arange(len(inputs)) % FOLDS
    errors = np.zeros((len(PENALTIES), values.shape[1]))
    for out in range(FOLDS):
        for row, weights in zip(errors, _solutions(inputs[fold != out], values[fold != out]), strict=True):
            row += ((inputs[fold == out] @ weights - values[fold == out]) ** 2).sum(axis=0)
    return _solutions(inputs, values)[errors.argmin(axis=0), :, np.arange(values.shape[1])].T


def _solutions(inputs: Floats, values: Floats) -> Floats:
    """Weights (penalties, features, parts) for every penalty."""
    free = np.diag([0.0, *np.ones(inputs.shape[1] - 1)])
    squares, products = inputs.T @ inputs, inputs.T @ values
    return np.array([np.linalg.solve(squares + penalty * free, products) for penalty in PENALTIES])
