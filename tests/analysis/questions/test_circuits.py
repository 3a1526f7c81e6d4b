"""The same treatments in several illnesses: a row and a line per circuit and treatment."""

import pytest
from unstuck.errors import InputError
from unstuck_analysis.compare import compare
from unstuck_analysis.questions.circuits import InCircuit, ask, circuits_figure, in_circuits, recovery_table


@pytest.fixture(scope="module")
def found() -> list[InCircuit]:
    return in_circuits(["ssri-like"], ["default", "anxiety", "ocd"])


def test_recovery_is_read_from_each_circuits_own_readout(found: list[InCircuit]) -> None:
    rows = recovery_table(found).records()
    assert [row["readout"] for row in rows] == ["connectivity"] * 2 + ["fear"] * 2 + ["loop"] * 2
    assert [row["treatment"] for row in rows] == ["untreated", "ssri-like"] * 3
    assert [row["minus_untreated"] for row in rows[::2]] == [0.0, 0.0, 0.0]
    expected = {"default": 0.61, "anxiety": 0.875, "ocd": 0.391}
    for row in rows[1::2]:
        assert row["recovery_day_84"] == pytest.approx(expected[str(row["circuit"])], abs=0.01)


def test_the_figure_has_a_panel_per_circuit_and_a_line_per_treatment(found: list[InCircuit]) -> None:
    panels = circuits_figure(found).axes
    assert [panel.get_title(loc="left") for panel in panels] == ["default (depression)", "anxiety", "ocd"]
    assert all(
        len([line for line in panel.lines if not str(line.get_label()).startswith("_")]) == 2
        for panel in panels
    )


def test_a_line_that_leaves_the_figure_is_named_in_its_panel() -> None:
    (panel,) = circuits_figure(in_circuits(["ketamine-like"], ["ocd"])).axes
    assert panel.texts[0].get_text().startswith("below the figure: ketamine-like to R -1")
    assert panel.texts[0].get_text().endswith("after 1 h")


def test_the_answer_names_the_best_treatment_of_each_circuit() -> None:
    answer = ask(["ssri-like"], ["anxiety"])
    assert answer.finding[0].startswith("Largest recovery R on day 84: anxiety ssri-like 0.8")


def test_a_circuit_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'anxiety'"):
        in_circuits(["ssri-like"], ["anxeity"])


def test_a_comparison_in_another_circuit_reads_its_own_illness() -> None:
    found = compare(["untreated", "ssri-like"], patients=3, neurons=0, circuit="anxiety")
    assert found.circuit.readout_name == "fear"
    stuck = found.outcomes[~found.outcomes.not_stuck]
    assert (stuck.connectivity_stuck >= 1.12).all()
    assert len(stuck) > 0
