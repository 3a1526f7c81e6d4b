"""The commands of studies, as people type them."""

import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from study_cases import ROWS, TWO_DOSES, all_fail, write_study
from unstuck_analysis.cli import main
from unstuck_analysis.study.results import Results
from unstuck_analysis.study.run import Workplace

EXAMPLES = Path(__file__).parents[3] / "examples"


def run(*words: object) -> int:
    """Exit code of a command."""
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a small study."""
    folder = tmp_path_factory.mktemp("commands")
    assert run("sweep", write_study(folder), "--out", folder / "out", "--workers", 1) == 0
    return folder / "out"


def test_status_is_the_contract(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("status", done, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"planned": ROWS, "done": ROWS, "failed": 0, "left": 0}


def test_export_writes_one_sorted_row_a_run_and_arm(done: Path, tmp_path: Path) -> None:
    assert run("export", done, "--to", tmp_path / "a.csv") == 0
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert len(lines) == ROWS + 1
    assert lines[0].startswith("run_id,point,treatment,seed,patient,drug_ketamine_like_dose,status,not_stuck")
    assert run("export", done, "--to", tmp_path / "a.docx") == 2


def test_the_same_command_again_has_nothing_to_do(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted((done / "runs").iterdir())
    assert run("sweep", done.parent / "doses.yaml", "--out", done, "--workers", 2, "--json") == 0
    assert json.loads(capsys.readouterr().out)["left"] == 0
    assert sorted((done / "runs").iterdir()) == before


def test_another_seed_is_refused_and_new_sets_the_old_aside(
    done: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, again = done.parent / "doses.yaml", done.parent / "again"
    assert run("sweep", study, "--out", again, "--workers", 1, "--shard", "1/3") == 0
    assert run("sweep", study, "--out", again, "--workers", 1, "--seed", 9) == 2
    assert "study.seed: 1 (stored), 9 (now)" in capsys.readouterr().err
    assert run("sweep", study, "--out", again, "--workers", 1, "--seed", 9, "--shard", "1/3", "--new") == 0
    assert len(list(done.parent.glob("again-before-*"))) == 1


def test_a_report_is_one_file_with_figures_and_provenance(done: Path) -> None:
    page = (done / "report.html").read_text()
    assert page.count("data:image/svg+xml") >= 4
    assert "No run failed" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "numba" in page
    assert "drug.ketamine-like.dose:" in page  # the study as a file


def test_a_notebook_shows_results_as_a_table_and_a_figure(done: Path) -> None:
    results = Results(done)
    assert len(results.table()) == 4
    html = results._repr_html_()  # pyright: ignore[reportPrivateUsage]
    assert html.startswith("<table")
    assert html.count("<tr") == 5
    assert "<svg" in html


def test_a_report_of_patients_who_never_got_stuck_says_so(tmp_path: Path) -> None:
    calm = TWO_DOSES.replace("fixed:", "fixed:\n  treatment.phases.stress.stress: 0")
    two = calm.replace("vary:", "vary:\n  treatment.phases.wash-out.for: {values: [7 d, 14 d]}")
    for number, text in enumerate((calm, two.replace("  treatment.phases.wash-out.for: 1 week\n", ""))):
        path = write_study(tmp_path, text.replace("patients: 3", "patients: 1"), f"calm{number}")
        assert run("sweep", path, "--out", tmp_path / f"out{number}", "--workers", 1) == 0
        assert "no patient counts here" in (tmp_path / f"out{number}" / "report.html").read_text()


def test_a_job_array_of_a_study_with_a_fault_is_not_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = write_study(tmp_path, TWO_DOSES.replace("ketamine-like.dose", "ketamine-like.dos"))
    assert run("sweep", wrong, "--print-slurm") == 2
    told = capsys.readouterr()
    assert "did you mean 'drug.ketamine-like.dose'" in told.err
    assert not told.out


@pytest.mark.parametrize("design", ["morris", "sobol"])
def test_a_sampled_study_reports_what_its_outcome_depends_on(tmp_path: Path, design: str) -> None:
    from unstuck_analysis.study.file import Study
    from unstuck_analysis.study.indices import indices
    from unstuck_analysis.study.report import study_report

    axes = "drug.ketamine-like.dose: {from: 0.1 mg/kg, to: 1 mg/kg}\n  model.tauB: {from: 20, to: 60}"
    text = TWO_DOSES.replace("drug.ketamine-like.dose: {values: [0.1 mg/kg, 0.5 mg/kg]}", axes)
    text = text.replace("patients: 3", f"patients: 1\nvaried: false\ndesign: {design}\nsamples: 2")
    text += "outcomes: [connectivity_stuck, relapse_day]\n"
    results = Study.load(write_study(tmp_path, text)).run(tmp_path / "out")
    found, note = indices(results, "connectivity_stuck", "ketamine-like")
    assert found is not None
    assert not note
    strength = found.set_index("axis")["ST" if design == "sobol" else "mu_star"]
    assert abs(strength.iloc[0]) < 1e-6  # what comes after day 0 cannot matter before it
    assert strength.iloc[1] != 0
    assert "What connectivity stuck depends on" in study_report(results)
    assert run("sensitivity", tmp_path / "out", "--out", tmp_path / "indices") == 0
    told = (tmp_path / "indices" / "report.html").read_text()
    assert "relapse_day under untreated has no indices: only 0 of 2 groups of points have all" in told
    assert f"{8 if design == 'sobol' else 6} runs have no value" in told
    told = (tmp_path / "indices" / "connectivity_stuck-ketamine-like.caption.md").read_text()
    assert f"* inputs: study {results.inputs.hash}" in told


def test_indices_of_a_study_of_another_design_are_refused(
    done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("sensitivity", done, "--out", tmp_path / "indices") == 2
    assert "indices need a study of design sobol or morris" in capsys.readouterr().err


def test_a_dry_run_reports_the_size_of_the_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("sweep", write_study(tmp_path), "--dry-run") == 0
    told = capsys.readouterr().out
    assert "2 points x 2 treatments x 3 patients = 12 rows" in told
    assert "3 rows have the same inputs as others: 9 runs" in told
    assert run("sweep", tmp_path / "doses.yaml", "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"points": 2, "rows": 12, "runs": 9}


def test_compare_runs_every_file_of_a_folder_and_a_drug_file(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "one.yaml").write_text("title: one\nextends: untreated\nfollow_up: 1 d\n")
    (mine / "two.yaml").write_text("title: two\nclass: Mine\nusual_dose: 1 mg\nactions: []\n")
    out, small = tmp_path / "results", ("--patients", 1, "--neurons", 100, "--workers", 1)
    assert run("compare", mine, "--out", out, *small) == 0
    assert [line.split(",")[0] for line in (out / "summary.csv").read_text().splitlines()[1:]] == [
        "one",
        "two",
    ]
    made = (out / "treatments" / "two.yaml").read_text()
    assert "title: two, once" in made
    assert str(mine / "two.yaml") in made


def test_a_netcdf_export_names_its_replacement(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("export", done, "--to", "a.nc") == 2
    assert "to_xarray()" in capsys.readouterr().err


def test_an_incomplete_study_is_exported_only_if_asked(
    done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run("sweep", done.parent / "doses.yaml", "--out", out, "--workers", 1, "--shard", "1/3") == 0
    assert run("export", out, "--to", tmp_path / "a.csv") == 2
    assert f"of {ROWS} rows are missing" in capsys.readouterr().err
    assert run("export", out, "--to", tmp_path / "a.csv", "--partial") == 0


def test_a_study_with_failed_runs_ends_with_exit_code_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Workplace, "simulate", all_fail)
    assert run("sweep", write_study(tmp_path), "--out", tmp_path / "out", "--workers", 1) == 3


def test_verify_says_what_to_do_with_a_damaged_file(
    done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(done, tmp_path / "out")
    assert run("status", tmp_path / "out", "--verify") == 0
    assert "are as they were written" in capsys.readouterr().err
    path = next((tmp_path / "out" / "runs").glob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert run("status", tmp_path / "out", "--verify") == 1
    assert "Run the same command again: it sets the file aside" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["sweep", "smok"], "did you mean 'smoke'"),
        (["sweep", "smoke", "--shard", "4/3"], "write i/n with i from 1 to n"),
        (["status", "nowhere"], "is not the folder of a study"),
        (["compare", "."], "there is no .yaml file"),
        (["compare", "smoke.txt"], "unknown treatment"),
    ],
)
def test_wrong_words_get_one_message(
    words: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*words) == 2
    message = capsys.readouterr().err
    assert told in message
    assert "Traceback" not in message
    assert not list(tmp_path.iterdir())


def test_status_needs_neither_pandas_nor_the_model(done: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from unstuck_analysis.study.store import Store;"
        f"Store(Path({str(done)!r})).status(); print(sorted({{'pandas', 'numba'}} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_example_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "study_api.py"))["main"](tmp_path / "out")
    assert "units: {'treatment_phases_stress_for': 'd'" in capsys.readouterr().out
    assert (tmp_path / "out" / "outcomes.parquet").exists()


def test_a_map_over_two_axes_is_answered_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "map.yaml"
    study.write_text(
        "title: Map\ntreatments: [untreated]\npatients: 2\nneurons: 0\nvary:\n"
        "  treatment.phases.stress.stress: {values: [0.2, 1.0]}\n"
        "  treatment.phases.stress.for: {values: [1 week, 12 weeks]}\n"
        "fixed: {treatment.phases.treatment.for: 1 d, treatment.follow_up: 1 d, treatment.endpoint_day: 1,\n"
        "  treatment.phases.wash-out.for: 1 d}\n"
        "outcomes: [not_stuck]\nseries: {columns: []}\n"
    )
    assert run("sweep", study, "--out", tmp_path / "out", "--workers", 1) == 0
    answer = (
        "At least half of the patients are stuck from length of stress 84 d at strength of stress 1;"
        " fewer at 0.2."
    )
    assert capsys.readouterr().out.strip() == answer
    assert answer in (tmp_path / "out" / "report.html").read_text()
