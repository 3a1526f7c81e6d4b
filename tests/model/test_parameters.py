"""The parameter file is read with every fault at its line, and old files are refused."""

import subprocess
import sys
from pathlib import Path

import pytest
from unstuck.errors import InputError
from unstuck.parameters import default_parameters, read_parameters, shipped_parameter_file

SHIPPED = shipped_parameter_file().read_text(encoding="utf-8")


def changed(tmp_path: Path, before: str, after: str) -> Path:
    assert before in SHIPPED
    path = tmp_path / "mine.csv"
    path.write_text(SHIPPED.replace(before, after, 1))
    return path


def test_every_shipped_value_lies_in_its_range_and_names_a_source() -> None:
    for parameter in default_parameters().records.values():
        assert parameter.low <= parameter.value <= parameter.high, parameter
        assert parameter.source
        assert parameter.unit


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("symbol,meaning", "name,meaning", r"mine.csv:1: the columns must be symbol, meaning, value"),
        ("tauT,", "tautT,", r"mine.csv:15:tautT: unknown parameter 'tautT', did you mean 'tauT'"),
        ("SERT,60,nM", "SERT,sixty,nM", r"mine.csv:3:Km: value must be a number, not 'sixty'"),
        ("SERT,60,nM", "SERT,-60,nM", r"mine.csv:3:Km = -60: a positive is more than 0"),
        ("SERT,60,nM", "SERT,nan,nM", r"mine.csv:3:Km = nan"),
        (
            ",scale,literature",
            ",scale,litterature",
            r"mine.csv:2:S0: unknown origin 'litterature', did you mean",
        ),
        (
            ",scale,literature",
            ",skale,literature",
            r"mine.csv:2:S0: unknown kind 'skale', did you mean 'scale'",
        ),
        ("full stress,0.5,1", "full stress,1.5,1", r"stB = 1.5: a share is from 0 to 1"),
        ("K1B,", "g1B,", r"mine.csv:5:g1B: this parameter has two rows"),
        (",30,200,", ",200,30,", r"mine.csv:3:Km: low 200 is above high 30"),
    ],
)
def test_a_fault_in_a_parameter_file_is_named_at_its_line(
    before: str, after: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        read_parameters(changed(tmp_path, before, after))


def test_a_parameter_file_without_a_parameter_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("".join(line for line in SHIPPED.splitlines(True) if not line.startswith("tauT,")))
    with pytest.raises(InputError, match="these parameters have no row: tauT"):
        read_parameters(path)


def test_a_parameter_file_of_generation_1_is_refused_with_what_changed(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text('{"S0": 60.0, "parameters": []}')
    with pytest.raises(InputError, match=r"generation 1 .*Generation 2 has other equations"):
        read_parameters(path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tauX": 1.0}, "unknown parameter 'tauX'"),
        ({"tauT": 0.0}, "tauT = 0"),
        ({"mM": 1.2}, "mM = 1.2: a share"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        default_parameters().with_values(**values)


def test_reading_parameters_and_targets_loads_no_compiler() -> None:
    code = "import sys, unstuck.parameters, unstuck.targets; unstuck.parameters.default_parameters()"
    subprocess.run([sys.executable, "-c", f"{code}; assert 'numba' not in sys.modules"], check=True)
