"""Contributions of several drugs combine as the model description says."""

import pytest
from unstuck.targets import NO_EFFECT, TARGETS, Effects, combine

PLACED = ("region_input", "stress_effect")  # they act on regions and populations


def test_every_mode_moves_a_field_of_effects_or_the_input_of_a_region() -> None:
    fields = {mode.field for modes in TARGETS.values() for mode in modes.values()}
    assert fields == {*Effects._fields, *PLACED}


def test_a_field_without_a_contribution_has_the_value_of_no_effect() -> None:
    for modes in TARGETS.values():
        for mode in modes.values():
            if mode.field not in PLACED:
                assert getattr(NO_EFFECT, mode.field) == mode.nothing == mode.contribution(0.0)


@pytest.mark.parametrize(
    ("target", "mode", "strengths", "expected"),
    [
        ("sert.occupancy", "block", (0.5, 0.8), 0.9),
        ("nmda.interneuron", "block", (0.3, 0.3), 0.51),
        ("trkb.block", "block", (0.25, 0.2), 0.4),
        ("sert.vmax", "enhance", (0.3, 0.1), 1.43),
        ("sert.vmax", "lower", (0.3, 0.1), 0.63),
        ("ampa", "potentiate", (0.2, 0.1), 0.3),
        ("ampa", "block", (0.7, 0.6), -1.0),
        ("serotonin.release", "deplete", (0.5, 0.5), 0.25),
        ("gaba.gain", "down", (0.35,), 0.65),
        ("trkb.facilitation", "up", (0.08, 0.02), 0.1),
        ("region.input", "drive", (-2.0, 0.5), -1.5),
        ("stress", "stress", (0.5, 0.7), 0.7),
    ],
)
def test_contributions_to_a_target_combine(
    target: str, mode: str, strengths: tuple[float, ...], expected: float
) -> None:
    meaning = TARGETS[target][mode]
    assert combine(meaning.law, map(meaning.contribution, strengths)) == pytest.approx(expected)


def test_potentiation_and_block_of_ampa_add() -> None:
    ampa = TARGETS["ampa"]
    both = [ampa["potentiate"].contribution(0.2), ampa["block"].contribution(0.3)]
    assert combine("gain", both) == pytest.approx(-0.1)
