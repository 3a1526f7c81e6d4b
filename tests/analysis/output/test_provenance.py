"""The version of the model: one digest of all sources and data files, for studies, evidence and reports."""

import platform
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest
from unstuck import version
from unstuck.files.find import shipped_folders
from unstuck_analysis.evidence import runs
from unstuck_analysis.output import provenance
from unstuck_analysis.output.provenance import model_version, processor
from unstuck_analysis.study.store import environment


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the model, its scenarios and the analysis, which `model_version` looks at."""
    ignored = ignore_patterns("__pycache__", "assets")
    copytree(version.PACKAGE, tmp_path / "model" / "unstuck", ignore=ignored)
    copytree(next(path for path in shipped_folders() if path.is_dir()), tmp_path / "scenarios")
    copytree(Path(provenance.__file__).parent.parent, tmp_path / "analysis", ignore=ignored)
    monkeypatch.setattr(version, "PACKAGE", tmp_path / "model" / "unstuck")
    monkeypatch.setattr(provenance, "shipped_folders", lambda: [tmp_path / "scenarios"])
    monkeypatch.setattr(provenance, "_ANALYSIS", tmp_path / "analysis")
    yield tmp_path
    started_again()


def started_again() -> None:
    """As in a new process, which loads the sources as they are."""
    version.sources.cache_clear()
    provenance._reading.cache_clear()


def version_of(checkout: Path) -> str:
    started_again()
    return model_version()


def test_a_copy_has_the_same_version(checkout: Path) -> None:
    monkeypatched = version_of(checkout)
    with pytest.MonkeyPatch.context() as original:
        original.setattr(version, "PACKAGE", Path(version.__file__).parent)
        original.setattr(provenance, "shipped_folders", shipped_folders)
        original.setattr(provenance, "_ANALYSIS", Path(provenance.__file__).parent.parent)
        assert version_of(checkout) == monkeypatched


def test_an_installed_copy_with_the_scenarios_inside_has_the_same_version(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = version_of(checkout)
    inside = checkout / "model" / "unstuck" / "scenarios"
    (checkout / "scenarios").rename(inside)
    monkeypatch.setattr(provenance, "shipped_folders", lambda: [checkout / "scenarios", inside])
    assert version_of(checkout) == before


@pytest.mark.parametrize(
    "name",
    [
        "model/unstuck/rules/receptors.py",
        "model/unstuck/patient/life.py",
        "scenarios/parameters.csv",
        "scenarios/cohort.yaml",
        "scenarios/studies/treatments/ssri-then-ampa.yaml",
        "scenarios/evidence/drugs/trkb-block.yaml",
        "analysis/outcomes.py",
        "analysis/study/run.py",
    ],
)
def test_every_source_and_data_file_counts(checkout: Path, name: str) -> None:
    before = version_of(checkout)
    path = checkout / name
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert version_of(checkout) != before


def test_the_names_of_files_count(checkout: Path) -> None:
    before = version_of(checkout)
    path = checkout / "scenarios" / "studies" / "smoke.yaml"
    path.rename(path.with_stem("renamed"))
    assert version_of(checkout) != before


def test_line_ends_and_what_only_shows_results_do_not_count(checkout: Path) -> None:
    before = version_of(checkout)
    path = checkout / "scenarios" / "cohort.yaml"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    (checkout / "scenarios" / "stories" / "too-short.yaml").unlink()
    (checkout / "analysis" / "report.py").unlink()
    assert version_of(checkout) == before


def test_a_source_that_was_edited_after_the_start_counts_after_a_new_start_and_warns_until_then(
    checkout: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = version_of(checkout)
    path = checkout / "model" / "unstuck" / "rules" / "receptors.py"
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert model_version() == before
    assert "the model was edited after this process loaded it" in caplog.text
    assert version_of(checkout) != before


def test_the_kind_of_processor_is_part_of_the_provenance(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment()["processor"] == processor()
    assert processor().startswith(f"{platform.machine()} ")
    monkeypatch.setattr("numba.core.config.CPU_NAME", "generic")
    assert processor() == f"{platform.machine()} generic"


def test_evidence_is_stored_under_the_version_of_the_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    group = runs.Group([0], ("healthy",), seed=1, drawn=False, folder=tmp_path)
    before = group.path
    monkeypatch.setattr(runs, "model_version", lambda: "another")
    assert group.path != before
