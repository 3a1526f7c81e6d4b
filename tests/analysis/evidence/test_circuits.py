"""Findings about anxiety and OCD: the fitted ones are measured and reproduced, held-out ones are left out."""

import numpy as np
import pytest
from unstuck.errors import InputError
from unstuck_analysis.evidence import circuits
from unstuck_analysis.evidence.circuits import Drawn, facts_of, measure
from unstuck_analysis.evidence.measure import Plan, unwatched

TYPICAL = {
    "anxiety": [*(f"A{number:02d}" for number in range(1, 18))],
    "ocd": [*(f"O{number:02d}" for number in range(1, 15)), "O16"],
}


@pytest.mark.parametrize("name", circuits.CIRCUITS)
def test_every_fitted_finding_on_the_typical_patient_is_reproduced(name: str) -> None:
    evidence, drawn = measure(name, facts_of(name, TYPICAL[name]), Plan(), unwatched)
    assert drawn is None
    assert [f.fact.id for f in evidence.findings if f.reproduced] == TYPICAL[name]


@pytest.mark.parametrize("name", circuits.CIRCUITS)
def test_only_fitted_findings_can_be_measured(name: str) -> None:
    fitted = {fact.id for fact in facts_of(name, ()) if fact.group == "fitted"}
    measured = {*circuits.TYPICAL, *circuits.PAIRS, *circuits.OF_COHORT}
    assert fitted == {id for id in measured if id.startswith(name[0].upper())}
    held_out = [fact for fact in facts_of(name, ()) if fact.group == "held-out"]
    assert held_out
    evidence, _ = measure(name, held_out[:1], Plan(), unwatched)
    assert evidence.findings[0].parts == []


def test_a_name_that_is_unknown_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match="--circuit: unknown circuit with findings 'anxeity', did you mean"):
        facts_of("anxeity", ())
    with pytest.raises(InputError, match="unknown finding 'A99'"):
        facts_of("anxiety", ["A99"])
    with pytest.raises(InputError, match="leave out --circuit"):
        circuits.refuse_options()


def test_a_relapse_is_four_weeks_in_a_row_below_the_response_less_a_fifth() -> None:
    stuck, course = 1.4, np.full(84, 1.0)  # recovered: R is 1

    def relapsed(days_low: int) -> float:
        after = np.concatenate([np.full(30, 1.0), np.full(days_low, 1.4), np.full(60, 1.0)])
        return circuits._relapsed(course, after, stuck, 0.5)

    assert relapsed(0) == 0.0
    assert relapsed(25) == 0.0
    assert relapsed(40) == 1.0


def test_the_ratio_of_relapses_counts_responders_alone() -> None:
    none = np.full(3, np.nan)
    stopped = np.array([1.0, 1.0, np.nan])
    drawn = Drawn(none, none, stopped, np.array([1.0, 0.0, np.nan]), np.zeros(3))
    assert drawn.relapse_ratio == pytest.approx(2.0)
