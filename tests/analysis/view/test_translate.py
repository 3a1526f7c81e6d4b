"""Rules and exposure in JavaScript: what is translated, and what is refused."""

import ast
from pathlib import Path

import pytest
from unstuck.drugs import kinetics
from unstuck.rules import receptors, trkb
from unstuck_analysis.view import translate
from unstuck_analysis.view.translate_classes import ClassTranslator, translated_exposure

PLAYER = Path(translate.__file__).parent / "player"


def test_every_rule_and_its_composition_are_translated() -> None:
    text = translate.translated_model()
    for name in ("hill", "trkb_change", "neuron_change", "circuit_change", "monoamine_pools", "move_on"):
        assert f"function {name}(" in text
    assert "Math.pow(ratio, exponent)" in text


@pytest.mark.parametrize("line", ["x = [y for y in z]", "x = y @ z", "with y: pass", "x = y < z < 3"])
def test_python_without_a_translation_is_refused_with_its_line(line: str) -> None:
    function = ast.parse(f"def f(y, z):\n    {line}\n").body[0]
    assert isinstance(function, ast.FunctionDef)
    with pytest.raises(translate.UntranslatableError):
        translate.Translator(receptors).function(function)


def test_a_named_tuple_becomes_an_object() -> None:
    function = ast.parse("def f(y):\n    return Trkb(y)\n").body[0]
    assert isinstance(function, ast.FunctionDef)
    text = translate.Translator(trkb).function(function)
    assert "const Trkb = (phi, mB, kB, " in text
    assert "return Trkb(y);" in text


def test_constants_of_a_module_are_written_as_numbers() -> None:
    function = ast.parse("def f(y):\n    return y * TWO\n").body[0]
    assert isinstance(function, ast.FunctionDef)
    trkb.TWO = 2.0  # pyright: ignore[reportAttributeAccessIssue]
    try:
        assert "const TWO = 2.0;" in translate.Translator(trkb).function(function)
    finally:
        del trkb.TWO  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    "line",
    [
        "x = y @ z",
        "with y: pass",
        "x = unheard_of(y)",
        "for x in y:\n        pass\n    else: pass",
        "x = f'{y}'",
    ],
)
def test_a_form_that_the_translation_of_classes_does_not_know_is_refused(line: str) -> None:
    function = ast.parse(f"def f(y, z):\n    {line}\n").body[0]
    assert isinstance(function, ast.FunctionDef)
    with pytest.raises(translate.UntranslatableError):
        ClassTranslator(kinetics, set(), set()).function(function)


def test_everything_that_acts_over_time_comes_from_python() -> None:
    text = translated_exposure()
    for name in ("Amounts", "WhileTaken", "ByConcentration", "Course", "_RunningMean", "PatientExposure"):
        assert f"class {name} {{" in text
    player = "".join(file.read_text(encoding="utf-8") for file in PLAYER.glob("*.js"))
    for of_the_model in ("half_nM", "is_share *", "skewness", "relative_dose /"):
        assert of_the_model not in player


def test_classes_keep_properties_usual_values_and_loops_of_python() -> None:
    text = """
class Sum:
    tail: float
    head: float = 2.0

    @property
    def twice(self) -> float:
        return 2 * self.tail

    def at(self, times, usual=()):
        return [a + self.head for a, _ in times if a not in usual] if 0 < self.tail < 3 else None
"""
    (node,) = ast.parse(text).body
    assert isinstance(node, ast.ClassDef)
    with pytest.raises(translate.UntranslatableError, match="NotIn"):
        ClassTranslator(kinetics, set(), set()).whole_class(node, set())
    (node,) = ast.parse(text.replace("not in", "in")).body
    assert isinstance(node, ast.ClassDef)
    translated = ClassTranslator(kinetics, set(), set()).whole_class(node, set())
    assert "constructor(tail, head = 2.0)" in translated
    assert "get twice() {\nreturn op.mul(2, this.tail);" in translated
    assert "py.list(times).filter(([a, ]) => py.bool(py.in(a, usual)))" in translated
    assert "op.lt(0, this.tail) && op.lt(this.tail, 3)" in translated
