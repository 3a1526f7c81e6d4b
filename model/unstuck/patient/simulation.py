"""One patient under one treatment, lived to its end: into the ditch, and out of it or not.

    healthy -> phases before day 0 -> stuck checkpoint -> treatment -> follow-up until the drug is long gone

The checkpoint is the same for every treatment that agrees on what comes before day 0, and so is the noise. To
go step by step, or to take part on the way, hold a `Life` (life.py): a Simulation is a Life left alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from unstuck.engine.readouts import Reading, connectivity
from unstuck.engine.step import Accuracy, Diagnostics, State
from unstuck.files.treatment import Treatment
from unstuck.files.units import HOURS_A_DAY
from unstuck.patient.draw import Patient
from unstuck.patient.life import Checkpoint, Life, check_belongs, checkpoint_key, day_0_key

__all__ = ["Arm", "Checkpoint", "Reading", "Simulation", "checkpoint_key", "day_0_key"]

FIRST_HOURS = (1.0, 2.0, 4.0, 8.0, 12.0)  # readings between day 0 and day 1
FUNCTIONAL_DAYS = (0.0, 1 / 24, 2 / 24, 4 / 24, 8 / 24, 12 / 24, 1.0, 2.0, 7.0, 14.0, 28.0, 42.0, 84.0)


@dataclass
class Arm:
    """One patient under one treatment: readings, and connectivity at the end of every step."""

    treatment: str
    checkpoint: Checkpoint
    readings: list[Reading] = field(default_factory=list[Reading])
    steps: list[tuple[float, float, float]] = field(default_factory=list[Any])  # day, C, C_c
    last_dose_day: float = 0.0
    gone_day: float = 0.0
    end_day: float = 0.0
    diagnostics: Diagnostics = field(default_factory=Diagnostics)

    def recovery(self, connectivity: float) -> float:
        """Recovery index R of a connectivity: 0 stuck, 1 healthy."""
        return self.checkpoint.recovery(connectivity)


class Simulation:
    """Runs one patient through one treatment. Pass a checkpoint to share the way into the ditch."""

    def __init__(
        self,
        patient: Patient,
        treatment: Treatment,
        checkpoint: Checkpoint | None = None,
        accuracy: Accuracy = Accuracy(),
    ) -> None:
        self.patient, self.treatment, self.accuracy = patient, treatment, accuracy
        if checkpoint is not None:
            check_belongs(checkpoint, patient, treatment)
        self.checkpoint = checkpoint or get_stuck(patient, treatment, accuracy)

    def run(
        self,
        *,
        on_reading: Callable[[Reading], None] | None = None,
        hours: Sequence[float] = FIRST_HOURS,
        functional_days: Sequence[float] = FUNCTIONAL_DAYS,
    ) -> Arm:
        """Treatment and follow-up from day 0 on, with readings every day and at the first hours."""
        life = Life(self.patient, self.treatment, self.checkpoint, self.accuracy)
        day_0_h, stuck = self.checkpoint.time_h, self.checkpoint.stuck
        arm = Arm(self.treatment.name, self.checkpoint, steps=[(0.0, stuck.connectivity, stuck.structure)])

        def read(hour: float, state: State) -> None:
            day = (hour - day_0_h) / HOURS_A_DAY
            probe = any(abs(day - wanted) < 1e-6 for wanted in functional_days)
            # Day 0 is read with the first dose given; every later reading before what changes at that moment.
            acting = life.exposure.reported(hour) if hour == day_0_h else None
            arm.readings.append(life.reading(hour, state, acting, probe=probe))
            if on_reading:
                on_reading(arm.readings[-1])

        def note(hour: float, state: State) -> None:
            arm.steps.append(((hour - day_0_h) / HOURS_A_DAY, *connectivity(self.patient.circuit, state)))

        read(day_0_h, life.settled())
        while life.time_h < life.end_h:
            stop_h = min(life.next_turn_h, life.end_h)
            days = np.arange(1, (stop_h - day_0_h) / HOURS_A_DAY + 1e-9)
            output_h = sorted({*(day_0_h + h for h in hours), *(day_0_h + HOURS_A_DAY * days)})
            life.advance(stop_h, output_h=output_h, on_output=read, on_step=note)
        arm.diagnostics = life.engine.diagnostics
        arm.end_day, arm.gone_day, arm.last_dose_day = (
            (hour - day_0_h) / HOURS_A_DAY for hour in (life.end_h, life.gone_h, life.last_dose_h)
        )
        return arm


def get_stuck(patient: Patient, treatment: Treatment, accuracy: Accuracy = Accuracy()) -> Checkpoint:
    """Live through the phases before day 0."""
    life = Life(patient, treatment, accuracy=accuracy)
    life.advance(treatment.file.day_0_h)
    assert life.checkpoint is not None
    return life.checkpoint
