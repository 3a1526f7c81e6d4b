"""What people may write as a quantity, and the message if it is not one."""

import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError
from unstuck.files.units import (
    Concentration,
    ConcentrationOrSymbol,
    DoseAmount,
    Hours,
    Interval,
    PerYear,
    PositiveHours,
)


class Sheet(BaseModel):
    time: Hours = 0.0
    half_life: PositiveHours = 1.0
    often: PerYear = 0.0
    dose: DoseAmount | None = None
    level: Concentration | None = None


TIMES = st.floats(min_value=0, max_value=876_600, allow_subnormal=False)
AMOUNTS = st.floats(min_value=0, max_value=1e300, allow_subnormal=False)


def fault(key: str, value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        Sheet.model_validate({key: value})
    return caught.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("2.5 h", 2.5),
        ("40 min", 40 / 60),
        ("84 d", 2016.0),
        ("1 day", 24.0),
        ("3 days", 72.0),
        ("1 week", 168.0),
        ("6 weeks", 1008.0),
        ("6weeks", 1008.0),
        (" 6  weeks ", 1008.0),
        ("1e2 h", 100.0),
        ("0 h", 0.0),
        ("24 hours", 24.0),
        ("1 hour", 1.0),
        ("2 hrs", 2.0),
        ("90 minutes", 1.5),
        ("3 months", 2191.5),
        ("1 year", 8766.0),
        ("6\u00a0weeks", 1008.0),
    ],
)
def test_a_time_is_read_as_hours(text: str, hours: float) -> None:
    assert Sheet.model_validate({"time": text}).time == hours


def test_a_dose_by_weight_depends_on_the_body() -> None:
    dose = DoseAmount.parse("0.5 mg/kg")
    assert (dose.amount, dose.per_kg, dose.mg(70)) == (0.5, True, 35.0)


@pytest.mark.parametrize(
    ("text", "mg"),
    [
        ("20 mg", 20.0),
        ("500 ug", 0.5),
        ("500 mcg", 0.5),
        ("500 \u00b5g", 0.5),
        ("500 \u03bcg", 0.5),
        ("500 micrograms", 0.5),
        ("5000 ng", 0.005),
        ("1 g", 1000.0),
        ("0 mg", 0.0),
    ],
)
def test_a_dose_without_weight_is_the_same_for_every_body(text: str, mg: float) -> None:
    assert DoseAmount.parse(text).mg(50) == DoseAmount.parse(text).mg(90) == mg


def test_a_molar_concentration_needs_no_molar_mass() -> None:
    for text in (
        "1 uM",
        "1 \u00b5M",
        "1 \u03bcM",
        "1 umol/L",
        "1000 nmol/L",
        "1 nmol/mL",
        "0.001 mM",
        "1e6 pM",
    ):
        assert Concentration.parse(text).nM(None) == 1000.0


@pytest.mark.parametrize(
    "text",
    [
        *("0.3 mg/L", "300 ug/L", "300 ng/mL", "0.3 ug/mL", "3e-4 mg/ml", "3e-4 g/L", "300 mcg/L"),
        *("0.3 \u00b5g/mL", "30 ug/dL", "0.3 mg / L", "300 ng per ml"),
    ],
)
def test_a_concentration_by_mass_is_converted_by_the_molar_mass(text: str) -> None:
    assert Concentration.parse(text).nM(300) == pytest.approx(1000.0, rel=1e-15)


@pytest.mark.parametrize("molar_mass", [None, 0.0, -1.0, math.nan])
def test_a_concentration_by_mass_asks_for_a_molar_mass(molar_mass: float | None) -> None:
    with pytest.raises(ValueError, match=r"'3 mg/L' .* molar mass in g/mol"):
        Concentration.parse("3 mg/L").nM(molar_mass)


def test_a_rate_is_a_count_a_year() -> None:
    assert Sheet.model_validate({"often": "4 per year"}).often == 4.0


@pytest.mark.parametrize("value", [6, 6.0, "6", "1e3"])
@pytest.mark.parametrize(
    ("key", "example"),
    [
        ("time", "6 weeks"),
        ("half_life", "2.5 h"),
        ("dose", "0.5 mg/kg"),
        ("level", "250 nM"),
        ("often", "4 per year"),
    ],
)
def test_a_bare_number_is_refused_with_an_example(key: str, example: str, value: object) -> None:
    message = fault(key, value)
    assert "is a number without a unit" in message
    assert f"for example '{example}'" in message


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("dose", "20 kg"),
        ("dose", "20 m"),
        ("dose", "-5 mg"),
        ("dose", "1e400 mg"),
        ("dose", "1e306 g"),
        ("dose", "5 mg mg"),
        ("dose", "nan mg"),
        ("dose", "5 Mg"),
        ("dose", "5 mg/day"),
        ("dose", "1,5 mg"),
        ("dose", "mg"),
        ("dose", ""),
        ("dose", "\u0665 mg"),
        ("time", "20 m"),
        ("time", "2 moons"),
        ("time", "101 years"),
        ("time", "nan h"),
        ("time", "inf h"),
        ("time", "-1 h"),
        ("time", "2 h 30 min"),
        ("half_life", "0 h"),
        ("level", "3 mg"),
        ("level", "3 nm"),
        ("often", "4 per hour"),
    ],
)
def test_a_wrong_quantity_is_named_with_the_units_allowed(key: str, text: str) -> None:
    message = fault(key, text)
    assert repr(text) in message
    assert "(units: " in message
    assert "for example" in message


@pytest.mark.parametrize("value", [True, [1], {"mg": 1}, b"5 mg"])
def test_what_is_neither_text_nor_number_is_refused(value: Any) -> None:
    assert "is not a number with a unit" in fault("dose", value)


def test_metres_minutes_and_months_are_not_guessed() -> None:
    assert "did you mean 'min'?" in fault("time", "20 m")
    assert "did you mean" not in fault("dose", "20 m")


def test_a_misspelled_unit_gets_the_nearest_one() -> None:
    assert "did you mean 'mg'?" in fault("dose", "5 MG")
    assert "did you mean 'weeks'?" in fault("time", "5 weaks")


@pytest.mark.parametrize("unit", ["mcgs", "mgg", "pg", "mc", "ugs", "\u00b5gm", "milgram", "micogram"])
def test_a_hint_never_changes_the_amount_by_a_power_of_ten(unit: str) -> None:
    assert "did you mean" not in fault("dose", f"5 {unit}")


def test_a_decimal_comma_gets_a_hint_and_thousands_are_not_guessed() -> None:
    assert "a decimal point is written '.': 37.5" in fault("dose", "37,5 mg")
    assert "1.000, or 1000 for thousands" in fault("dose", "1,000 mg")


def test_an_interval_between_doses_is_at_least_a_minute() -> None:
    with pytest.raises(ValidationError, match="from 1 min to 100 years"):
        TypeAdapter(Interval).validate_python("1e-300 h")
    assert TypeAdapter(Interval).validate_python("1 min") == 1 / 60


def test_a_value_that_is_no_symbol_is_told_with_its_unit() -> None:
    with pytest.raises(ValidationError, match="unknown unit 'nmoles'"):
        TypeAdapter(ConcentrationOrSymbol).validate_python("250 nmoles")
    assert TypeAdapter(ConcentrationOrSymbol).validate_python("K1A") == "K1A"


@pytest.mark.parametrize("amount", [-1.0, math.nan, math.inf])
def test_code_cannot_make_a_negative_or_endless_dose_either(amount: float) -> None:
    with pytest.raises(ValueError, match="a dose must be"):
        DoseAmount(amount)


@pytest.mark.parametrize("text", ["0.5 mg/kg", "500 ug", "1e-3 g/kg", "20mg"])
def test_a_dose_prints_as_it_was_written(text: str) -> None:
    assert str(DoseAmount.parse(text)) == text


def test_equal_doses_are_equal_however_they_were_written() -> None:
    assert DoseAmount.parse("500 ug") == DoseAmount.parse("0.5 mg") == DoseAmount(0.5)
    assert DoseAmount.parse("1 mg") != DoseAmount.parse("1 mg/kg")


@given(AMOUNTS, st.booleans())
def test_any_dose_survives_being_written_and_read(amount: float, per_kg: bool) -> None:
    dose = DoseAmount(amount, per_kg)
    assert DoseAmount.parse(str(dose)) == dose


@given(AMOUNTS, st.booleans())
def test_any_concentration_survives_being_written_and_read(amount: float, by_mass: bool) -> None:
    level = Concentration(amount, by_mass)
    assert Concentration.parse(str(level)) == level


@given(TIMES, TIMES, AMOUNTS)
def test_any_sheet_survives_being_written_and_read(hours: float, half_life: float, often: float) -> None:
    assume(half_life > 0)
    sheet = Sheet.model_construct(
        time=hours, half_life=half_life, often=often, dose=DoseAmount(1, True), level=None
    )
    assert Sheet.model_validate_json(sheet.model_dump_json()) == sheet


@given(st.text() | st.from_regex(r"[0-9.e+-]{1,8} ?[a-zA-Z/ ]{0,8}", fullmatch=True))
def test_any_text_is_a_dose_that_is_not_negative_or_a_value_error(text: str) -> None:
    try:
        dose = DoseAmount.parse(text)
    except ValueError:
        assert "(units: ug, mg, g, ug/kg, mg/kg, g/kg)" in fault("dose", text)
    else:
        assert 0 <= dose.amount < math.inf


@pytest.mark.parametrize("text", ["1" * 100_000, "1 " * 50_000, "x" * 100_000, "." * 100_000])
def test_endless_text_is_refused_in_a_short_message(text: str) -> None:
    assert len(fault("dose", text)) < 300


def test_the_units_are_those_of_pints_own_registry() -> None:
    import pint

    theirs: Any = pint.UnitRegistry()
    for unit in ("min", "minutes", "h", "hours", "d", "day", "days", "week", "weeks", "months", "years"):
        assert Sheet.model_validate({"time": f"1 {unit}"}).time == pytest.approx(
            theirs(f"1 {unit}").to("h").m
        )
    for unit in ("ng/kg", "ug/kg", "\u00b5g/kg", "mg/kg", "g/kg"):
        assert DoseAmount.parse(f"1 {unit}").amount == pytest.approx(theirs(f"1 {unit}").to("mg/kg").m)
    for unit in ("pM", "nM", "uM", "\u00b5M", "mM", "nmol/L", "umol/ml"):
        assert Concentration.parse(f"1 {unit}").nM(None) == pytest.approx(theirs(f"1 {unit}").to("nmol/L").m)
    for unit in ("g/L", "mg/L", "ug/L", "ng/mL", "\u03bcg/ml", "mg/dL"):
        expected = (theirs(f"1 {unit}") / theirs("300 g/mol")).to("nmol/L").m
        assert Concentration.parse(f"1 {unit}").nM(300) == pytest.approx(expected)


def test_editors_learn_the_pattern_the_units_and_an_example() -> None:
    properties = Sheet.model_json_schema()["properties"]
    dose = properties["dose"]["anyOf"][0]
    assert dose["type"] == "string"
    assert dose["examples"] == ["0.5 mg/kg"]
    assert "ug, mg, g, ug/kg, mg/kg, g/kg" in dose["description"]


def test_a_default_can_be_written_as_a_quantity_in_the_schema_for_editors() -> None:
    assert Sheet.model_json_schema(mode="serialization")["properties"]["time"]["default"] == "0 h"


@pytest.mark.parametrize(("text", "fits"), [("6 weeks", True), ("2.5h", True), ("6", False), ("-1 h", False)])
def test_the_pattern_for_editors_agrees_with_the_reader(text: str, fits: bool) -> None:
    import re

    pattern = Sheet.model_json_schema()["properties"]["time"]["pattern"]
    assert bool(re.search(pattern, text)) is fits
