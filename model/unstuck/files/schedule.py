"""Single administrations of a drug, and when the doses of a regular course are given."""

from dataclasses import dataclass
from math import ceil

MOST_DOSES = 100_000  # of one course, and of one treatment: once per day for 270 years
ROUNDING = 1e-9  # share of an interval by which a course may end late through rounding


@dataclass(frozen=True)
class Dose:
    """One administration: when, how much (relative to the usual dose), and over how long (0 for a bolus).

    It counts as taken for interval_h. A single dose, on a named day or by hand, is followed moment by moment
    however soon the next one comes; regular ones may be seen as their running mean.
    """

    time_h: float
    relative_dose: float
    over_h: float = 0.0
    interval_h: float = 24.0
    single: bool = False


def number_of_doses(every_h: float, lasting_h: float) -> int:
    """Number of doses in a course: one at its start, then one per interval, none at its end."""
    return max(ceil(lasting_h / every_h - ROUNDING), 0)


def regular_course(every_h: float, lasting_h: float, taper_h: float = 0.0) -> list[tuple[float, float]]:
    """Hour since the first dose and relative amount of every dose; a taper decreases evenly towards zero."""
    at_full = number_of_doses(every_h, lasting_h)
    return [
        (k * every_h, 1.0 if k < at_full else _tapered(k * every_h - lasting_h, every_h, taper_h))
        for k in range(number_of_doses(every_h, lasting_h + taper_h))
    ]


def _tapered(since_h: float, every_h: float, taper_h: float) -> float:
    """Relative amount of a dose that is given `since_h` hours after a taper began."""
    return 1.0 - (since_h + every_h) / (taper_h + every_h)
