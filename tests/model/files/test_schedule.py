"""Doses of a regular course: their number and hours are exact for every interval and length."""

from fractions import Fraction
from math import ceil

from hypothesis import given
from hypothesis import strategies as st
from unstuck.files.schedule import number_of_doses, regular_course

MINUTES = st.integers(1, 20_000)


@given(every=MINUTES, lasting=st.integers(1, 500_000))
def test_the_number_of_doses_is_that_of_exact_fractions(every: int, lasting: int) -> None:
    assert number_of_doses(every / 60, lasting / 60) == ceil(Fraction(lasting, every))


@given(every=MINUTES, count=st.integers(1, 5_000))
def test_the_last_dose_is_given_at_a_whole_number_of_intervals(every: int, count: int) -> None:
    doses = regular_course(every / 60, count * (every / 60))
    assert len(doses) == count
    assert doses[-1] == ((count - 1) * (every / 60), 1.0)


def test_a_taper_keeps_full_doses_first_and_never_reaches_zero() -> None:
    amounts = [amount for _, amount in regular_course(24.0, 48.0, 72.0)]
    assert amounts == [1.0, 1.0, 0.75, 0.5, 0.25]
