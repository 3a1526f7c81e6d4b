"""Designs: points follow from file and seed alone, lie in their ranges, and are what the design says."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from unstuck.errors import InputError
from unstuck.files.yaml import Places
from unstuck_analysis.study.design import Design, DesignReader
from unstuck_analysis.study.vary import Knob

KNOBS: Mapping[str, Knob] = {
    "a": Knob("1", ()),
    "b": Knob("1", ()),
    "c": Knob("1", (), whole=True),
    "time": Knob("d", ()),
}
PLACES = Places({(): (Path("design.yaml"), 1)})
RANGE = {"from": 1.0, "to": 100.0, "scale": "log"}


def reader(**content: object) -> DesignReader:
    return DesignReader(Design.model_validate(content), KNOBS, PLACES)


def numbers(points: DesignReader, path: str, seed: int = 1) -> list[float]:
    return [dict(point)[path] for point in points.points(seed)]


def test_a_grid_has_every_combination_the_last_axis_fastest() -> None:
    grid = reader(vary={"a": {"values": [1.0, 2.0]}, "time": {"values": ["1 week", "2 d"]}})
    assert [tuple(dict(p).values()) for p in grid.points(1)] == [(1, 7), (1, 2), (2, 7), (2, 2)]


def test_a_lognormal_axis_is_cut_at_two_standard_deviations_and_at_its_largest_value() -> None:
    law = {"median": 2.0, "cv": 0.5}
    free = np.log(
        np.array(numbers(reader(design="latin-hypercube", samples=400, vary={"a": law}), "a")) / 2.0
    )
    sigma = np.sqrt(np.log(1.25))
    assert np.abs(free).max() <= 2 * sigma
    assert free.std() == pytest.approx(0.88 * sigma, rel=0.02)  # of a normal law cut at two deviations
    capped = reader(design="latin-hypercube", samples=50, vary={"a": law | {"at_most": 2.2}})
    assert max(numbers(capped, "a")) == 2.2
    with pytest.raises(ValueError, match="or median and cv"):
        reader(vary={"a": {"median": 1.0, "from": 0.5, "to": 2.0}})


def test_axes_that_go_together_are_zipped() -> None:
    axes = {"a": {"values": [1.0, 2.0]}, "b": {"values": [5.0, 6.0]}, "c": {"values": [0, 1]}}
    grid = reader(vary=axes, together=[["a", "b"]])
    assert grid.count() == 4
    assert {(dict(p)["a"], dict(p)["b"]) for p in grid.points(1)} == {(1.0, 5.0), (2.0, 6.0)}


def test_axes_of_different_length_cannot_go_together() -> None:
    axes = {"a": {"values": [1.0, 2.0]}, "b": {"values": [5.0]}}
    with pytest.raises(InputError, match="equally many values: a 2, b 1"):
        reader(vary=axes, together=[["a", "b"]]).points(1)


def test_a_logarithmic_range_has_even_ratios() -> None:
    grid = reader(vary={"a": {"from": 1.0, "to": 100.0, "steps": 3, "scale": "log"}})
    assert numbers(grid, "a") == pytest.approx([1.0, 10.0, 100.0])


def test_a_list_may_leave_things_as_they_are() -> None:
    points = reader(design="list", points=[{}, {"a": 3.0}], fixed={"b": 1.0}).points(1)
    assert points == [(("b", 1.0),), (("b", 1.0), ("a", 3.0))]


@pytest.mark.parametrize("kind", ["latin-hypercube", "sobol", "morris"])
def test_a_sample_lies_in_its_ranges_and_follows_the_seed(kind: str) -> None:
    axes = {"a": RANGE, "b": {"from": -1.0, "to": 1.0}, "c": {"from": 2, "to": 9}}
    signed = {**KNOBS, "b": Knob("1", (), signed=True)}
    sample = DesignReader(
        Design.model_validate({"design": kind, "vary": axes, "samples": 16}), signed, PLACES
    )
    assert len(sample.points(1)) == sample.count()
    assert sample.points(1) == sample.points(1)
    assert sample.points(1) != sample.points(2)
    for path, low, high in (("a", 1, 100), ("b", -1, 1), ("c", 2, 9)):
        found = numbers(sample, path)
        assert low <= min(found) < max(found) <= high
    assert all(number == int(number) for number in numbers(sample, "c"))


def test_a_latin_hypercube_has_one_point_in_every_slice() -> None:
    sample = reader(
        design="latin-hypercube",
        samples=10,
        vary={"a": {"from": 0, "to": 10}, "b": {"from": 0, "to": 10}},
    )
    for path in "ab":
        assert sorted(np.floor(numbers(sample, path))) == list(range(10))


def test_a_morris_trajectory_moves_one_axis_at_a_time() -> None:
    axes = {"a": {"from": 0, "to": 1}, "b": {"from": 0, "to": 1}}
    points = np.array(
        [list(dict(p).values()) for p in reader(design="morris", samples=4, vary=axes).points(1)]
    )
    for trajectory in points.reshape(4, 3, 2):
        assert (np.count_nonzero(np.diff(trajectory, axis=0), axis=1) == 1).all()


def test_sobol_wants_a_power_of_two() -> None:
    with pytest.raises(InputError, match="a power of two for sobol, not 12"):
        reader(design="sobol", samples=12, vary={"a": RANGE})
