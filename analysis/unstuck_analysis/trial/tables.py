"""Tables for other programs: CDISC ADaM, a long table (R's mmrm and nlme), and numbers for rpact.

    adsl   one row per randomised subject            adqs   one row per subject and rating
    adtte  one row per subject and time to an event  long   subject, arm, visit, day, value, baseline, change
    rpact  one row per arm: means and SDs by visit, correlations between visits, dropout

The ADaM tables have names and labels of the CDISC standard; tests/reference/adam.csv has the source of each.
They are no submission data set: dates, sites and demographics are missing.
"""

import numpy as np
import pandas as pd

from unstuck_analysis.output.table import Column
from unstuck_analysis.trial.analysis import TrialResult, event_times
from unstuck_analysis.trial.dataset import Group
from unstuck_analysis.trial.file import CrossOver
from unstuck_analysis.trial.ratings import REASONS

PARAMETERS = {"hamd-17": ("HAMD17", "HAM-D-17 total score"), "madrs": ("MADRS", "MADRS total score")}
LABELS = {
    "STUDYID": "Study Identifier",
    "USUBJID": "Unique Subject Identifier",
    "SUBJID": "Subject Identifier for the Study",
    "ARM": "Description of Planned Arm",
    "TRT01P": "Planned Treatment for Period 01",
    "TRT02P": "Planned Treatment for Period 02",
    "TRTP": "Planned Treatment",
    "ITTFL": "Intent-To-Treat Population Flag",
    "COMPLFL": "Completers Population Flag",
    "DCSREAS": "Reason for Discontinuation from Study",
    "PARAM": "Parameter",
    "PARAMCD": "Parameter Code",
    "AVISIT": "Analysis Visit",
    "AVISITN": "Analysis Visit (N)",
    "ADY": "Analysis Relative Day",
    "AVAL": "Analysis Value",
    "BASE": "Baseline Value",
    "CHG": "Change from Baseline",
    "PCHG": "Percent Change from Baseline",
    "ABLFL": "Baseline Record Flag",
    "CNSR": "Censor",
    "EVNTDESC": "Event or Censoring Description",
}


ADAM = [Column(name, label) for name, label in LABELS.items()]


def frames_of(result: TrialResult) -> dict[str, pd.DataFrame]:
    """All tables of a trial by name."""
    return {make.__name__: make(result) for make in (adsl, adqs, adtte, long, rpact)}


def _subjects(result: TrialResult, group: Group) -> list[str]:
    study = f"{result.pool.trial.name}-{result.file.seed}"
    return [f"{study}-{patient:07d}" for patient in group.patients.tolist()]


def adsl(result: TrialResult) -> pd.DataFrame:
    """One row per randomised subject; in a cross-over with the treatment of both periods."""
    crossed = isinstance(result.file.design, CrossOver)
    orders, left = result.sequences, dict[int, int]()
    for group in result.as_conducted:
        gone = ~group.seen[:, -1]
        left.update(zip(group.patients[gone].tolist(), group.why[gone].tolist(), strict=True))
    parts: list[pd.DataFrame] = []
    for position, order in enumerate(orders):
        names = [order.name, *([orders[1 - position].name] if crossed else [])]
        planned = {f"TRT{period:02d}P": name for period, name in enumerate(names, 1)}
        patients, ids = order.patients.tolist(), {"STUDYID": result.pool.trial.name}
        ids |= {"USUBJID": _subjects(result, order), "SUBJID": [f"{patient:07d}" for patient in patients]}
        row = {**ids, "ARM": " - ".join(names), **planned, "ITTFL": "Y"}
        row["COMPLFL"] = ["N" if patient in left else "Y" for patient in patients]
        row["DCSREAS"] = [REASONS[left.get(patient, 0)] for patient in patients]
        parts.append(pd.DataFrame(row))
    return pd.concat(parts, ignore_index=True)


def adqs(result: TrialResult) -> pd.DataFrame:
    """One row per subject and rating that was made."""
    code, name = PARAMETERS[result.file.rating.scale]
    made = long(result).dropna(subset=["value"])
    row = {"STUDYID": result.pool.trial.name, "USUBJID": made.subject, "TRTP": made.arm}
    row |= {"PARAM": name, "PARAMCD": code}
    row |= {"AVISIT": [f"Day {day}" if day else "Baseline" for day in made.day], "AVISITN": made.visit}
    row |= {"ADY": made.day + 1}  # there is no day 0 in CDISC: the day of randomisation is day 1
    row |= {"AVAL": made.value, "BASE": made.baseline, "CHG": made.change}
    row |= {"PCHG": 100.0 * made.change / made.baseline.where(made.baseline > 0)}
    row |= {"ABLFL": np.where(made.visit == 0, "Y", "")}
    return pd.DataFrame(row).reset_index(drop=True)


def adtte(result: TrialResult) -> pd.DataFrame:
    """One row per subject: days to the event that the trial waits for, to leaving, or to the last visit."""
    event, times = event_times(result)
    left, parts = np.array(["Rescue", *(f"Left: {reason}" for reason in REASONS[1:])]), list[pd.DataFrame]()
    for group, each in zip(result.groups, times, strict=True):
        censored = np.where(group.seen[:, -1], "End of follow-up", left[group.why])
        row = {"STUDYID": result.pool.trial.name, "USUBJID": _subjects(result, group), "TRTP": group.name}
        row |= {"PARAM": f"Time to {event} (days)", "PARAMCD": f"TT{event[:6].upper()}", "AVAL": each.days}
        row |= {"CNSR": np.where(each.seen, 0, 1)}
        row |= {"EVNTDESC": np.where(each.seen, event.capitalize(), censored)}
        parts.append(pd.DataFrame(row))
    return pd.concat(parts, ignore_index=True)


def long(result: TrialResult) -> pd.DataFrame:
    """One row per subject and planned rating; a missing value is NaN. The baseline is visit 0."""
    parts: list[pd.DataFrame] = []
    for group in result.groups:
        visits = len(group.days)
        value = np.where(group.seen, group.points, np.nan).ravel()
        baseline = np.repeat(group.points[:, 0], visits)
        row = {"subject": np.repeat(_subjects(result, group), visits), "arm": group.name}
        row |= {"visit": np.tile(np.arange(visits), group.n), "day": np.tile(group.days, group.n)}
        row |= {"value": value, "baseline": baseline, "change": value - baseline}
        parts.append(pd.DataFrame(row))
    return pd.concat(parts, ignore_index=True)


def rpact(result: TrialResult) -> pd.DataFrame:
    """One row per arm and visit: mean and SD of change, correlations with all visits, share who left."""
    parts: list[pd.DataFrame] = []
    for group in result.groups:
        changes = np.where(group.seen, group.points - group.points[:, :1], np.nan)
        table = pd.DataFrame(changes[:, 1:], columns=group.days[1:])
        numbers = {"n": table.count(), "mean_change": table.mean(), "sd_change": table.std()}
        dropout = 1.0 - group.seen[:, 1:].mean(axis=0) if group.n else np.nan
        rows = pd.DataFrame({"arm": group.name, "day": table.columns, **numbers, "dropout": dropout})
        parts.append(rows.join(table.corr().add_prefix("correlation_with_day_")))
    return pd.concat(parts, ignore_index=True)
