"""Small studies and invented runs that the tests of studies share."""

import os
from pathlib import Path

from unstuck_analysis.study.plan import PlannedRun
from unstuck_analysis.study.run import Row, Workplace

TWO_DOSES = """
title: Two doses
treatments: [untreated, ketamine-like]
patients: 3
neurons: 0
vary:
  drug.ketamine-like.dose: {values: [0.1 mg/kg, 0.5 mg/kg]}
fixed:
  treatment.phases.stress.for: 3 weeks
  treatment.phases.wash-out.for: 1 week
  treatment.follow_up: 1 d
series: {columns: [recovery, serotonin_mPFC], every: 14 d}
"""
ROWS, DISTINCT = 12, 9  # an untreated patient is the same at both doses


def write_study(folder: Path, text: str = TWO_DOSES, name: str = "doses") -> Path:
    """A study file in a folder."""
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


def invented(workplace: Workplace, run: PlannedRun) -> Row:
    """In place of a run: outcomes that only its name decides, at once."""
    number = int(run.run_id[:8], 16)
    return {"recovery_endpoint": number / 2**32, "recovered": number % 2 == 0, "steps": number % 100}


def invented_with_failures(workplace: Workplace, run: PlannedRun) -> Row:
    """As `invented`, but every odd patient fails."""
    if run.patient % 2:
        raise ValueError(f"patient {run.patient}\nis odd")
    return invented(workplace, run)


def deadly(workplace: Workplace, run: PlannedRun) -> Row:
    """As `invented`, but patient 1 untreated takes its process down."""
    if run.patient == 1 and run.treatment == "untreated":
        os._exit(9)
    return invented(workplace, run)


def deadly_at_first(workplace: Workplace, run: PlannedRun) -> Row:
    """As `deadly`, but only as often as the file named by DEATHS_LEFT says."""
    counter = Path(os.environ["DEATHS_LEFT"])
    if run.patient == 1 and run.treatment == "untreated" and (left := int(counter.read_text())):
        counter.write_text(str(left - 1))
        os._exit(9)
    return invented(workplace, run)


def endless(workplace: Workplace, run: PlannedRun) -> Row:
    """As `invented`, but patient 1 untreated never ends."""
    while run.patient == 1 and run.treatment == "untreated":
        pass
    return invented(workplace, run)


def all_fail(workplace: Workplace, run: PlannedRun) -> Row:
    """In place of a run: nothing but a fault."""
    raise ValueError("not today")
