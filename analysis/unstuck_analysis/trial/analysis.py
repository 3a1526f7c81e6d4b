"""The analyses of trials: mixed model (MMRM), last rating carried forward, completers, imputation.

y_ij: rating at visit j, b_i: baseline, fall_ij = b_i - y_ij: improvement. The mixed model is

    fall_ij = a_j + g_j (b_i - mean b) + delta_j,arm + e_ij,   e_i ~ N(0, Sigma)

with one unstructured Sigma for all arms. Missing ratings are monotone (who leaves stays away), so its maximum
likelihood fit is a chain of regressions, visit after visit, on earlier improvements (Little & Rubin 2019).
Standard errors come from the inverse of sum X_i' Sigma_i^-1 X_i, and t has N - parameters - 1 degrees of
freedom (no Kenward-Roger).
Estimands are named as in ICH E9(R1).
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from math import ceil, isfinite, nan, sqrt
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from unstuck.patient.draw import Purpose
from unstuck.state import Floats

from unstuck_analysis.questions.survival import Times, logrank_p
from unstuck_analysis.trial.dataset import Group, Integers, Pool, joined
from unstuck_analysis.trial.file import CrossOver, Sequential, TrialFile, Withdrawal
from unstuck_analysis.trial.ratings import Booleans

IMPUTATIONS = 20
NAMES = {
    "mmrm": "mixed model (MMRM)",
    "locf": "last rating carried forward",
    "completers": "completers",
    "multiple-imputation": "multiple imputation",
    "baseline-carried-forward": "baseline carried forward",
}
HANDLING = {
    "mmrm": "missing ratings are estimated from patients with similar ratings until then (missing at random)",
    "locf": "the last rating before leaving counts; this can be biased in either direction",
    "completers": "only patients who stayed are compared",
    "multiple-imputation": "missing ratings are drawn 20 times (missing at random)",
    "baseline-carried-forward": "leaving and rescue count as no change (composite)",
}


@dataclass(frozen=True)
class Estimate:
    """A difference in change (arm minus control; negative: the arm improves more), and its error."""

    difference: float
    error: float
    freedom: float

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval."""
        half = float(stats.t.ppf(0.975, self.freedom)) * self.error
        return self.difference - half, self.difference + half

    @property
    def p(self) -> float:
        """Two-sided p."""
        if not self.error > 0.0:
            return nan
        return float(2.0 * stats.t.sf(abs(self.difference) / self.error, self.freedom))


@dataclass(frozen=True)
class Contrast:
    """One arm against the control by one analysis. smd is positive when the arm improves more."""

    arm: str
    against: str
    estimate: Estimate
    smd: float
    variance_ratio: float
    estimand: str
    analysis: str

    def record(self) -> dict[str, Any]:
        """The contrast as JSON can hold it: null for what is not known."""
        numbers = {"difference": _known(self.estimate.difference)}
        numbers |= {"interval": [_known(end) for end in self.estimate.interval]}
        numbers |= {"smd": _known(self.smd), "variance_ratio": _known(self.variance_ratio)}
        names = {"arm": self.arm, "against": self.against}
        return {**names, **numbers, "estimand": self.estimand, "analysis": self.analysis}


@dataclass(frozen=True)
class ArmSummary:
    """One arm: mean change of the scale (negative is better), shares of response, remission and leaving."""

    name: str
    n: int
    mean_change: float | None
    response: float | None
    remission: float | None
    dropout: float | None


def carried_forward(group: Group) -> Floats:
    """Ratings (patients, baseline and visits) in which a missing one is the last that was seen."""
    filled = group.points.copy()
    for visit in range(1, filled.shape[1]):
        filled[:, visit] = np.where(group.seen[:, visit], filled[:, visit], filled[:, visit - 1])
    return filled


def pooled_t(changes: Floats, control: Floats) -> Estimate:
    """Difference of two means with a pooled variance."""
    n, m = len(changes), len(control)
    freedom = n + m - 2
    if min(n, m) < 1 or freedom < 1:
        return Estimate(nan, nan, max(freedom, 1))
    squares = ((changes - changes.mean()) ** 2).sum() + ((control - control.mean()) ** 2).sum()
    error = sqrt(squares / freedom * (1.0 / n + 1.0 / m))
    return Estimate(float(changes.mean() - control.mean()), error, freedom)


def mixed_model(groups: Sequence[Group]) -> list[Estimate]:
    """Estimate of every arm after the first against the first at the last visit."""
    falls, seen, design = _stacked(groups)
    patients, width = design.shape
    visits = falls.shape[1]
    beta, sigma = np.zeros((width, visits)), np.zeros((visits, visits))
    for visit in range(visits):
        here = seen[:, visit]
        known = np.column_stack([design[here], falls[here, :visit]])
        freedom = int(here.sum()) - known.shape[1]
        if freedom < 1:
            return [Estimate(nan, nan, 1.0)] * (len(groups) - 1)
        found = np.linalg.lstsq(known, falls[here, visit], rcond=None)[0]
        rest, earlier = falls[here, visit] - known @ found, found[width:]
        beta[:, visit] = found[:width] + beta[:, :visit] @ earlier
        sigma[visit, :visit] = sigma[:visit, visit] = sigma[:visit, :visit] @ earlier
        sigma[visit, visit] = rest @ rest / freedom + earlier @ sigma[:visit, :visit] @ earlier
    covariance = np.linalg.pinv(_information(design, seen, sigma))
    last, freedom = width * (visits - 1), patients - width - 1
    return [
        Estimate(-float(beta[arm, -1]), sqrt(covariance[last + arm, last + arm]), freedom)
        for arm in range(2, width)
    ]


def _stacked(groups: Sequence[Group]) -> tuple[Floats, Booleans, Floats]:
    """Improvements (patients, visits), whether seen, and the design: 1, centred baseline, further arms."""
    points = np.concatenate([group.points for group in groups])
    arm = np.repeat(np.arange(len(groups)), [group.n for group in groups])
    dummies = (arm[:, None] == np.arange(1, len(groups))).astype(float)
    baseline = points[:, 0] - points[:, 0].mean()
    design = np.column_stack([np.ones(len(points)), baseline, dummies])
    seen = np.concatenate([group.seen[:, 1:] for group in groups])
    return points[:, :1] - points[:, 1:], seen, design


def _information(design: Floats, seen: Booleans, sigma: Floats) -> Floats:
    """Sum over patients of X_i' Sigma_i^-1 X_i, visit by visit in blocks of the design's columns."""
    visits, width = len(sigma), design.shape[1]
    total, counts = np.zeros((width * visits, width * visits)), seen.sum(axis=1)
    for count in range(1, visits + 1):
        rows = design[counts == count]
        weight = np.zeros((visits, visits))
        weight[:count, :count] = np.linalg.pinv(sigma[:count, :count])
        total += np.kron(weight, rows.T @ rows)
    return total


def imputed(groups: Sequence[Group], rng: np.random.Generator) -> list[Estimate]:
    """Multiple imputation: visits are drawn from the chain of regressions, estimates pooled (Rubin)."""
    falls, seen, design = _stacked(groups)
    arm = np.repeat(np.arange(len(groups)), [group.n for group in groups])
    found = [_last_falls(falls, seen, design, rng) for _ in range(IMPUTATIONS)]
    estimates: list[Estimate] = []
    for number in range(1, len(groups)):
        each = [pooled_t(-last[arm == number], -last[arm == 0]) for last in found]
        between = float(np.var([one.difference for one in each], ddof=1))
        within = float(np.mean([one.error**2 for one in each]))
        total = within + (1.0 + 1.0 / IMPUTATIONS) * between
        share = (1.0 + 1.0 / IMPUTATIONS) * between / total if total > 0 else 0.0
        freedom = min((IMPUTATIONS - 1) / max(share, 1e-9) ** 2, each[0].freedom)
        estimates.append(Estimate(float(np.mean([one.difference for one in each])), sqrt(total), freedom))
    return estimates


def _last_falls(falls: Floats, seen: Booleans, design: Floats, rng: np.random.Generator) -> Floats:
    """Improvements at the last visit, where missing drawn with the uncertainty of the regressions."""
    whole = np.where(seen, falls, 0.0)
    for visit in range(falls.shape[1]):
        known = np.column_stack([design, whole[:, :visit]])
        here = seen[:, visit]
        inverse = np.linalg.pinv(known[here].T @ known[here])
        found = inverse @ known[here].T @ whole[here, visit]
        rest = whole[here, visit] - known[here] @ found
        variance = rest @ rest / rng.chisquare(max(int(here.sum()) - known.shape[1], 1))
        root = np.linalg.cholesky(inverse + 1e-12 * np.eye(len(inverse)))
        drawn = found + sqrt(variance) * root @ rng.standard_normal(len(found))
        noise = sqrt(variance) * rng.standard_normal(len(falls))
        whole[:, visit] = np.where(here, whole[:, visit], known @ drawn + noise)
    return whole[:, -1]


@dataclass(frozen=True)
class TrialResult:
    """A trial with its analyses. rows: patients of the pool; arm: position of the arm of each of them."""

    pool: Pool
    rows: Integers
    arm: Integers

    @property
    def file(self) -> TrialFile:
        """The trial file."""
        return self.pool.trial.file

    @cached_property
    def groups(self) -> list[Group]:
        """The arms as they are analysed: what the estimand leaves out counts as missing."""
        if self.file.endpoint.estimand != "hypothetical" or self.file.rescue is None:
            return self.as_conducted
        first = 2 + self.file.visits.days.index(self.file.rescue.day)
        after = np.arange(len(self.as_conducted[0].days)) >= first
        return [
            replace(group, seen=group.seen & ~(group.rescued[:, None] & after)) for group in self.as_conducted
        ]

    @cached_property
    def as_conducted(self) -> list[Group]:
        """The arms with all ratings; of a cross-over by treatment, of a sequential trial by step."""
        if isinstance(self.file.design, Sequential):
            return list(self._steps())
        return _by_treatment(*self.sequences) if isinstance(self.file.design, CrossOver) else self.sequences

    @cached_property
    def sequences(self) -> list[Group]:
        """The patients of each arm with all ratings; of a cross-over those who get this arm first."""
        return [group.part(self.rows[self.arm == k]) for k, group in enumerate(self.pool.arms)]

    def _steps(self) -> Iterator[Group]:
        visits, rows = len(self.file.visits.days), self.rows
        for step, arm in enumerate(self.file.arms):
            columns = np.array([step * visits, *(step * visits + 1 + np.arange(visits))])
            group = replace(self.pool.arms[0].part(rows, columns), name=arm.name)
            yield group
            rows = rows[group.seen[:, -1] & (group.points[:, -1] > self.file.remission)]

    @cached_property
    def arms(self) -> list[ArmSummary]:
        """Every arm, from the last rating carried forward; the baseline where there is no later one."""
        return [self._summary(group) for group in self.groups]

    def _summary(self, group: Group) -> ArmSummary:
        if not group.n:
            return ArmSummary(group.name, 0, None, None, None, None)
        filled = carried_forward(group)
        baseline, last = filled[:, 0], filled[:, -1]
        healthy_start = isinstance(self.file.design, Withdrawal)  # response to what came before
        return ArmSummary(
            group.name,
            group.n,
            float((last - baseline).mean()),
            None if healthy_start else float((last <= self.file.endpoint.response * baseline).mean()),
            float((last <= self.file.remission).mean()),
            float(1.0 - group.seen[:, -1].mean()),
        )

    @cached_property
    def contrasts(self) -> list[Contrast]:
        """Every arm after the first against the first, by every analysis of the endpoint."""
        if isinstance(self.file.design, Sequential) or len(self.groups) < 2:
            return []
        return [contrast for name in self.file.endpoint.analyses for contrast in self._by(name)]

    def _by(self, analysis: str) -> list[Contrast]:
        control, *changes = (self._changes(group, analysis) for group in self.groups)
        estimates, found = self._estimates(analysis, control, changes), list[Contrast]()
        for group, change, estimate in zip(self.groups[1:], changes, estimates, strict=True):
            pooled, ratio = pooled_sd(change, control), _variance_ratio(change, control)
            smd = -estimate.difference / pooled if pooled > 0 else nan
            names = (group.name, self.groups[0].name)
            found.append(Contrast(*names, estimate, smd, ratio, self.file.endpoint.estimand, analysis))
        return found

    def _estimates(self, analysis: str, control: Floats, changes: Sequence[Floats]) -> list[Estimate]:
        if isinstance(self.file.design, CrossOver):
            return [crossed_over(self.sequences, completers=analysis == "completers")[0]]
        if analysis == "mmrm":
            return mixed_model(self.groups)
        if analysis == "multiple-imputation":
            seeds = [self.file.seed, self.file.trial, int(Purpose.ALLOCATION), 1]
            return imputed(self.groups, np.random.default_rng(np.random.SeedSequence(seeds)))
        return [pooled_t(change, control) for change in changes]

    def _changes(self, group: Group, analysis: str) -> Floats:
        """Changes at the last visit, from which SDs and variances come; of completers, those who stayed."""
        if analysis == "completers":
            stayed = group.seen[:, -1]
            return (group.points[:, -1] - group.points[:, 0])[stayed]
        last = carried_forward(group)[:, -1] - group.points[:, 0]
        if analysis == "baseline-carried-forward":
            return np.where(group.seen[:, -1] & ~group.rescued, last, 0.0)
        return last

    def json(self) -> dict[str, Any]:
        """Arms and contrasts as one object for JSON; shares are 0 to 1, missing values are null."""
        return {
            "arms": [asdict(arm) for arm in self.arms],
            "contrasts": [contrast.record() for contrast in self.contrasts],
        }

    @cached_property
    def true_effects(self) -> list[tuple[str, float, float]]:
        """Arm, mean and SD over patients of the change that the circuit alone owes to the arm, in points.

        Only a simulation knows it: the same patients under both arms, as if all had stayed.
        """
        if isinstance(self.file.design, CrossOver | Sequential):
            return []
        control, *arms = (group.part(self.rows) for group in self.pool.arms)
        apart = [(arm.name, arm.true_points[:, -1] - control.true_points[:, -1]) for arm in arms]
        return [(name, float(each.mean()), float(each.std(ddof=1))) for name, each in apart]

    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables for other programs by name: adsl, adqs, adtte, long, rpact."""
        from unstuck_analysis.trial.tables import frames_of

        return frames_of(self)


def conducted(pool: Pool, per_arm: int) -> TrialResult:
    """The trial as it is run: patients in order, allocated by permuted blocks of two per arm."""
    arms, file = len(pool.arms), pool.trial.file
    rng = np.random.default_rng(np.random.SeedSequence([file.seed, file.trial, int(Purpose.ALLOCATION)]))
    blocks = [rng.permutation(list(range(arms)) * 2)[::-1] for _ in range(ceil(per_arm / 2))]
    rows = np.arange(min(arms * per_arm, pool.n))
    return TrialResult(pool, rows, np.concatenate(blocks)[: len(rows)])


def resampled(pool: Pool, per_arm: int, rng: np.random.Generator) -> TrialResult:
    """A trial of patients drawn from the pool: without replacement where it is large enough."""
    arms = len(pool.arms)
    rows = rng.choice(pool.n, arms * per_arm, replace=arms * per_arm > pool.n)
    return TrialResult(pool, rows, np.repeat(np.arange(arms), per_arm))


def _by_treatment(one: Group, other: Group) -> list[Group]:
    """The treatments of a cross-over: the first period of one order with the second of the other."""
    half = len(one.days) // 2
    periods = np.arange(half), np.arange(half, 2 * half)
    (one_first, one_second), (other_first, other_second) = (
        [order.part(np.arange(order.n), period) for period in periods] for order in (one, other)
    )
    return [joined([one_first, other_second]), joined([other_first, one_second])]


def crossed_over(sequences: Sequence[Group], *, completers: bool = False) -> tuple[Estimate, Estimate]:
    """Effect within patients, and carry-over.

    Effect: half the difference between orders of the difference between periods. Carry-over: difference
    between the orders in the sum of both end scores (Grizzle 1965); its power is low.
    """
    half = sequences[0].points.shape[1] // 2
    parts: list[tuple[Floats, Floats]] = []
    for group in sequences:
        kept = group.seen[:, -1] if completers else group.seen[:, half]
        filled = carried_forward(group)[kept]
        first, second = filled[:, half - 1], filled[:, -1]
        parts.append((first - second, first + second))
    (control_first, control_sum), (arm_first, arm_sum) = parts
    between = pooled_t(arm_first, control_first)
    effect = Estimate(between.difference / 2, between.error / 2, between.freedom)
    return effect, pooled_t(arm_sum, control_sum)


def times_to_response(group: Group, share: float) -> Times:
    """Days to the first visit with a response, or to the last visit that was seen."""
    return _times(group, group.points[:, 1:] <= share * group.points[:, :1])


def times_to_relapse(group: Group, at_least: float, visits: int) -> Times:
    """Days to the first of so many visits in a row with a score of at least a limit."""
    high = (group.points[:, 1:] >= at_least) & group.seen[:, 1:]
    in_a_row = np.lib.stride_tricks.sliding_window_view(
        np.pad(high, ((0, 0), (0, visits - 1))), visits, axis=1
    )
    return _times(group, np.asarray(in_a_row.all(axis=2)))


def _times(group: Group, happened: Booleans) -> Times:
    seen, days = group.seen[:, 1:], group.days[1:].astype(float)
    event: Booleans = np.logical_and(happened, seen)
    followed = np.where(seen, days, 0.0).max(axis=1)
    first = np.where(np.any(event, axis=1), days[event.argmax(axis=1)], followed)
    return Times(first, np.asarray(np.any(event, axis=1)), followed)


def event_times(result: TrialResult) -> tuple[str, list[Times]]:
    """What the trial waits for (relapse, or response), and its times by arm."""
    design = result.file.design
    if isinstance(design, Withdrawal):
        limit = design.relapse
        return "relapse", [times_to_relapse(g, limit.at_least, limit.visits) for g in result.groups]
    return "response", [times_to_response(g, result.file.endpoint.response) for g in result.groups]


def log_rank(result: TrialResult) -> list[float]:
    """p of the log-rank test of every arm after the first against the first; NaN for periods and steps."""
    _, times = event_times(result)
    independent = not isinstance(result.file.design, CrossOver | Sequential)
    return [logrank_p(each, times[0]) if independent else nan for each in times[1:]]


def dose_trend(result: TrialResult) -> tuple[float, float, float | None]:
    """Slope of the change per dose, its p, and the lowest effective dose.

    Doses are tested from the highest down, at 5 %, until one is not better (fixed sequence).
    """
    changes = [carried_forward(group)[:, -1] - group.points[:, 0] for group in result.groups]
    doses = [float(result.file.arm(group.name).dose or 0.0) for group in result.groups]
    given = np.repeat(doses, [len(change) for change in changes])
    line: Any = stats.linregress(given, np.concatenate(changes))
    lowest = None
    for position in sorted(range(1, len(doses)), key=lambda k: -doses[k]):
        estimate = pooled_t(changes[position], changes[0])
        if not (estimate.p < 0.05 and estimate.difference < 0):
            break
        lowest = doses[position]
    return float(line.slope), float(line.pvalue), lowest


def difference_in_response(arm: ArmSummary, control: ArmSummary) -> tuple[float, float, float]:
    """Share of responders minus that of the control arm, and its 95 % interval (Wald); NaN without shares."""
    if arm.response is None or control.response is None:
        return nan, nan, nan
    difference = arm.response - control.response
    variances = [
        share * (1.0 - share) / n for share, n in ((arm.response, arm.n), (control.response, control.n))
    ]
    error = 1.96 * sqrt(sum(variances))
    return difference, difference - error, difference + error


def pooled_sd(one: Floats, other: Floats) -> float:
    """The pooled standard deviation of two groups; NaN with fewer than two values in one of them."""
    if min(len(one), len(other)) < 2:
        return nan
    squares = (len(one) - 1) * one.var(ddof=1) + (len(other) - 1) * other.var(ddof=1)
    return sqrt(squares / (len(one) + len(other) - 2))


def _variance_ratio(one: Floats, other: Floats) -> float:
    return float(one.var(ddof=1) / other.var(ddof=1)) if min(len(one), len(other)) > 1 else nan


def _known(value: float) -> float | None:
    return float(value) if isfinite(value) else None
