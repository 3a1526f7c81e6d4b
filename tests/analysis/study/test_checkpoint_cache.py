"""Checkpoints on disk: exact, named by what decides them, remade when damaged, and never too many."""

import os
from pathlib import Path

import numpy as np
from unstuck.files.treatment import Treatment
from unstuck.patient.draw import Patient, draw_patient
from unstuck_analysis.study.checkpoint_cache import (
    CheckpointCache,
    checkpoint_bytes,
    checkpoint_from,
    content_name,
)
from unstuck_analysis.study.cohort import DEFAULT_ACCURACY
from unstuck_analysis.study.vary import Scene, Variation, basis_of

VARIATION = Variation(basis_of([Treatment("ketamine-like"), Treatment("untreated")], None, 0))


def scene(*settings: tuple[str, float], arm: str = "ketamine-like") -> Scene:
    return VARIATION.scene(arm, settings)


def patient(of: Scene, index: int = 0) -> Patient:
    return draw_patient(of.treatment.circuit, of.parameters, None, seed=1, index=index, neurons=0)


def name(of: Scene, index: int = 0, model: str = "1") -> str:
    return content_name(patient(of, index), of.treatment, DEFAULT_ACCURACY, model)


def test_what_comes_after_day_0_does_not_change_the_name() -> None:
    assert name(scene()) == name(scene(arm="untreated"))
    assert name(scene()) == name(scene(("drug.ketamine-like.dose", 1.0)))
    assert name(scene()) == name(scene(("model.kKi", 1.0)))


def test_what_comes_before_day_0_changes_the_name() -> None:
    before = name(scene())
    assert before != name(scene(("treatment.phases.stress.for", 7.0)))
    assert before != name(scene(("model.tauB", 30.0)))
    assert before != name(scene(("model.sigma_n", 0.5)))
    assert before != name(scene(), index=1)
    assert before != name(scene(), model="2")


def test_a_checkpoint_comes_back_exactly(tmp_path: Path) -> None:
    here = scene()
    cache = CheckpointCache(tmp_path, "1")
    made = cache.stuck(patient(here), here.treatment, DEFAULT_ACCURACY)
    back = checkpoint_from(checkpoint_bytes(made))
    np.testing.assert_array_equal(back.state.y, made.state.y)
    np.testing.assert_equal(vars(back.stuck), vars(made.stuck))
    assert (back.key, back.time_h, back.diagnostics) == (made.key, made.time_h, made.diagnostics)


def test_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    here = scene()
    made = CheckpointCache(tmp_path, "1").stuck(patient(here), here.treatment, DEFAULT_ACCURACY)
    (path,) = tmp_path.glob("*.npz")
    for damage in (path.read_bytes()[:-30], b"", b"not a checkpoint"):
        path.write_bytes(damage)
        cache = CheckpointCache(tmp_path, "1")
        np.testing.assert_array_equal(
            cache.stuck(patient(here), here.treatment, DEFAULT_ACCURACY).state.y, made.state.y
        )
        assert (cache.made, cache.found) == (1, 0)


def test_the_folder_stays_small_and_keeps_the_newest(tmp_path: Path) -> None:
    for age in range(10):
        path = tmp_path / f"{age}.npz"
        path.write_bytes(b"x" * 100)
        os.utime(path, (1000 - age, 1000 - age))
    CheckpointCache(tmp_path, "1", most_bytes=350).tidy()
    assert sorted(p.stem for p in tmp_path.glob("*.npz")) == ["0", "1", "2"]


def test_a_cache_that_cannot_be_written_only_costs_time() -> None:
    here = scene()
    cache = CheckpointCache(Path("/proc/nowhere"), "1")
    assert cache.stuck(patient(here), here.treatment, DEFAULT_ACCURACY).time_h > 0
