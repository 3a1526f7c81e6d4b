"""Tables for other programs: CDISC ADaM, a long table (R's mmrm and nlme), and numbers for rpact.

    adsl   one row per randomised subject            adqs   one row per subject and rating
    adtte  one row per subject and time to an event  long   subject, arm, visit, day, value, baseline, change
    rpact  one row per arm: means and SDs by visit, correlations between visits, dropout

The ADaM tables have names and labels of the CDISC standard; tests/reference/adam.csv has the source of each.
They are no submission data set: dates, sites and demographics are missing.
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from unstuck_analysis.output.table import Column
from unstuck_analysis.trial.dataset import Group
from unstuck_analysis.trial.file import CrossOver
from unstuck_analysis.trial.ratings import REASONS

if TYPE_CHECKING:
    from unstuck_analysis.trial.analysis import TrialResult

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


def adam_columns() -> list[Column]:
    """The columns of the ADaM tables with their labels."""
    return [Column(name, label) for name, label in LABELS.items()]


def frames_of(result: "TrialResult") -> dict[str, pd.DataFrame]:
    """All tables of a trial by name."""
    return {
        "adsl": adsl(result),
        "adqs": adqs(result),
        "adtte": adtte(result),
        "long": long_table(result),
        "rpact": rpact(result),
    }


def _subject(result: "TrialResult", patient: int) -> str:
    return f"{result.data.trial.name}-{result.file.seed}-{patient:07d}"


def adsl(result: "TrialResult") -> pd.DataFrame:
    """One row per randomised subject; in a cross-over with the treatment of both periods."""
    crossed = isinstance(result.file.design, CrossOver)
    orders, left = result.data.sequences(), dict[int, int]()
    for group in result.data.groups():
        gone = ~group.seen[:, -1]
        left.update(zip(group.patients[gone].tolist(), group.why[gone].tolist(), strict=True))
    rows: list[dict[str, str]] = []
    for position, order in enumerate(orders):
        names = [order.name, *([orders[1 - position].name] if crossed else [])]
        planned = {f"TRT{period:02d}P": name for period, name in enumerate(names, 1)}
        for patient in order.patients.tolist():
            row = {"STUDYID": result.data.trial.name, "USUBJID": _subject(result, patient)}
            row |= {"SUBJID": f"{patient:07d}", "ARM": " - ".join(names), **planned, "ITTFL": "Y"}
            row |= {"COMPLFL": "N" if patient in left else "Y", "DCSREAS": REASONS[left.get(patient, 0)]}
            rows.append(row)
    return pd.DataFrame(rows)


def adqs(result: "TrialResult") -> pd.DataFrame:
    """One row per subject and rating that was made."""
    code, name = PARAMETERS[result.file.rating.scale]
    long = long_table(result).dropna(subset=["value"])
    change, percent = long.change, 100.0 * long.change / long.baseline.where(long.baseline > 0)
    return pd.DataFrame(
        {
            "STUDYID": result.data.trial.name,
            "USUBJID": long.subject,
            "TRTP": long.arm,
            "PARAM": name,
            "PARAMCD": code,
            "AVISIT": [f"Day {day}" if day else "Baseline" for day in long.day],
            "AVISITN": long.visit,
            "ADY": long.day + 1,  # there is no day 0 in CDISC: the day of randomisation is day 1
            "AVAL": long.value,
            "BASE": long.baseline,
            "CHG": change,
            "PCHG": percent,
            "ABLFL": np.where(long.visit == 0, "Y", ""),
        }
    ).reset_index(drop=True)


def adtte(result: "TrialResult") -> pd.DataFrame:
    """One row per subject: days to the event that the trial waits for, or to the end of follow-up."""
    from unstuck_analysis.trial.analysis import event_times

    event, times = event_times(result)
    parts = [
        pd.DataFrame(
            {
                "STUDYID": result.data.trial.name,
                "USUBJID": [_subject(result, int(patient)) for patient in group.patients],
                "TRTP": group.name,
                "PARAM": f"Time to {event} (days)",
                "PARAMCD": f"TT{event[:6].upper()}",
                "AVAL": each.days,
                "CNSR": np.where(each.seen, 0, 1),
                "EVNTDESC": np.where(each.seen, event.capitalize(), "End of follow-up"),
            }
        )
        for group, each in zip(result.groups, times, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def long_table(result: "TrialResult") -> pd.DataFrame:
    """One row per subject and planned rating; a missing value is NaN. The baseline is visit 0."""
    return pd.concat([_long(result, group) for group in result.groups], ignore_index=True)


def _long(result: "TrialResult", group: Group) -> pd.DataFrame:
    visits = len(group.days)
    value = np.where(group.seen, group.points, np.nan)
    baseline = np.repeat(group.points[:, 0], visits)
    return pd.DataFrame(
        {
            "subject": np.repeat([_subject(result, int(patient)) for patient in group.patients], visits),
            "arm": group.name,
            "visit": np.tile(np.arange(visits), group.n),
            "day": np.tile(group.days, group.n),
            "value": value.ravel(),
            "baseline": baseline,
            "change": value.ravel() - baseline,
        }
    )


def rpact(result: "TrialResult") -> pd.DataFrame:
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
