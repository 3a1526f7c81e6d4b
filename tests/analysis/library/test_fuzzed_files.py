"""Every file of every kind, changed at random, is accepted or refused in plain words, in good time."""

import random
from pathlib import Path

import pytest
from fuzz_files import fuzz, mutated, outcome_of, shipped_files, working_folder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return working_folder(tmp_path_factory.mktemp("fuzz"))


@given(source=st.sampled_from(shipped_files()), rng=st.randoms(use_true_random=False))
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_a_changed_file_is_accepted_or_refused_in_plain_words(
    folder: Path, source: Path, rng: random.Random
) -> None:
    assert outcome_of(source, mutated(rng, source.read_text("utf-8")), folder) in ("valid", "refused")


@pytest.mark.slow
def test_two_thousand_changed_files_are_accepted_or_refused_in_plain_words(
    folder: Path, tmp_path: Path
) -> None:
    found = fuzz(2000, 1, folder, tmp_path / "broken")
    assert [what for what in found if "BROKEN" in what] == []
    assert found.total() == 2000
