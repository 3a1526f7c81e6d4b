"""Rules in JavaScript: what is translated, and what is refused."""

import ast

import pytest
from unstuck.rules import receptors, trkb
from unstuck_analysis.view import translate


def test_every_rule_and_its_composition_are_translated() -> None:
    text = translate.translated_model()
    for name in ("hill", "trkb_change", "neuron_change", "circuit_change", "serotonin_pools", "move_on"):
        assert f"function {name}(" in text
    assert "return (1.0 / (1.0 + Math.pow((half_effect / concentration), exponent)));" in text


@pytest.mark.parametrize("line", ["x = [y for y in z]", "x = y @ z", "with y: pass", "x = y < z < 3"])
def test_python_without_a_translation_is_refused_with_its_line(line: str) -> None:
    function = ast.parse(f"def f(y, z):\n    {line}\n").body[0]
    assert isinstance(function, ast.FunctionDef)
    with pytest.raises(translate.UntranslatableError):
        translate.translated(function, receptors)


def test_a_named_tuple_becomes_an_object() -> None:
    function = ast.parse("def f(y):\n    return Trkb(y)\n").body[0]
    assert isinstance(function, ast.FunctionDef)
    text = translate.translated(function, trkb)
    assert "const Trkb = (phi, mB, kB, " in text
    assert "return Trkb(y);" in text


def test_constants_of_a_module_are_written_as_numbers() -> None:
    function = ast.parse("def f(y):\n    return y * TWO\n").body[0]
    assert isinstance(function, ast.FunctionDef)
    trkb.TWO = 2.0  # pyright: ignore[reportAttributeAccessIssue]
    try:
        assert "const TWO = 2.0;" in translate.translated(function, trkb)
    finally:
        del trkb.TWO  # pyright: ignore[reportAttributeAccessIssue]
