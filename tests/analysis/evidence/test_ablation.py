"""Mechanisms switched off: what stays as it was, and what falls."""

import numpy as np
import pytest
from unstuck.circuit import Circuit, mean_field_circuit
from unstuck.files.circuit import CircuitFile
from unstuck.files.yaml import InputError
from unstuck.parameters import default_parameters
from unstuck_analysis.evidence.ablation import (
    CUT,
    Matrix,
    circuit_without,
    matrix_rows,
    switched_off,
)
from unstuck_analysis.evidence.arms import Setup, Subject, plan_typical, run_subject
from unstuck_analysis.evidence.facts import choose_facts, read_facts
from unstuck_analysis.evidence.findings import measure_all
from unstuck_analysis.evidence.mechanisms import choose_mechanisms, mechanisms

NAMES = list(mechanisms())
MEAN_FIELD = Subject(1, 0, 0, varied=False)


@pytest.mark.parametrize("name", NAMES)
def test_biases_and_healthy_rates_stay_when_a_mechanism_goes(name: str, mean_field: Circuit) -> None:
    without = circuit_without(mean_field, mechanisms()[name])
    assert (without.rules.etap, without.rules.etad) == (mean_field.rules.etap, mean_field.rules.etad)
    assert without.wiring.bias is mean_field.wiring.bias
    changed = set(mechanisms()[name].values)
    kept = [symbol for symbol in mean_field.parameters if symbol not in changed]
    assert all(without.parameters[symbol] == mean_field.parameters[symbol] for symbol in kept)


def test_every_mechanism_of_the_shipped_model_changes_something_when_it_goes(
    default_file: CircuitFile,
) -> None:
    shipped = mean_field_circuit(default_file, default_parameters())
    for name in NAMES:
        without = circuit_without(shipped, mechanisms()[name])
        same_wiring = np.array_equal(without.wiring.plastic.weight, shipped.wiring.plastic.weight)
        assert dict(without.parameters) != dict(shipped.parameters) or not same_wiring


def test_cut_projections_carry_next_to_nothing(mean_field: Circuit) -> None:
    mechanism = mechanisms()["amygdala-control"]
    without = circuit_without(mean_field, mechanism)
    numbers = [mean_field.projections.index(name) for name in mechanism.cut]
    cut = np.isin(mean_field.wiring.plastic.projection, numbers)
    ratio = without.wiring.plastic.weight / mean_field.wiring.plastic.weight
    np.testing.assert_allclose(ratio[cut], CUT)
    assert (ratio[~cut] == 1.0).all()


def test_an_unknown_mechanism_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(InputError, match="unknown mechanism 'consolidaton', did you mean 'consolidation'"):
        choose_mechanisms(["consolidaton"])
    assert choose_mechanisms(["all"]) == NAMES


@pytest.mark.parametrize("name", ["amygdala-control", "consolidation"])
def test_treatment_arms_start_from_the_intact_stuck_state(name: str) -> None:
    plan = plan_typical(choose_facts(read_facts(), ["F18"]))
    setup = Setup("ketamine-once")
    intact, without = (
        run_subject(MEAN_FIELD, plan, alter=alter)[setup].course for alter in (None, switched_off(name))
    )
    assert without.recovery[0] == pytest.approx(intact.recovery[0], abs=1e-12) == pytest.approx(0.0)
    assert without.at(21) != pytest.approx(intact.at(21), abs=1e-3)


def test_what_needs_a_mechanism_falls_without_it_and_the_rest_stays() -> None:
    facts = choose_facts(read_facts(), ["F02", "F18", "F25", "F26"])
    matrix = Matrix(
        measure_all(facts, quick=True),
        {name: measure_all(facts, quick=True, without=name) for name in ("consolidation", "trkb-drive")},
    )
    assert "F02" in matrix.fallen("consolidation")
    assert {"F18", "F26"} <= set(matrix.fallen("trkb-drive"))
    assert not {"F02", "F25"} & set(matrix.fallen("trkb-drive"))
    rows = matrix_rows(matrix)
    assert len(rows) == 8
    assert {row["falls"] for row in rows} <= {"yes", "no", "n/a"}


def test_a_finding_that_cannot_be_evaluated_does_not_count_as_fallen() -> None:
    facts = choose_facts(read_facts(), ["F10"])
    name = "5ht1b-potentiation"
    matrix = Matrix(measure_all(facts, quick=True), {name: measure_all(facts, quick=True, without=name)})
    assert matrix.falls(name, 0) is None, "without a response there is no day of half recovery"
