"""The folder of a study: what is stored is whole, foreign files are refused, nothing is counted twice."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path
from threading import Timer

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock
from flip_bits import flip_bits
from study_cases import DISTINCT, ROWS, TWO_DOSES, invented, invented_with_failures, write_study
from unstuck.errors import InputError
from unstuck_analysis.output.files import StorageError
from unstuck_analysis.study.file import Study, StudyInputs
from unstuck_analysis.study.plan import PlannedRun
from unstuck_analysis.study.report import study_report, version_notes
from unstuck_analysis.study.results import Results
from unstuck_analysis.study.run import Execute, Row, Workplace, run_plan
from unstuck_analysis.study.store import Store, _shortened, _told, set_aside, versions


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return Study.load(write_study(tmp_path_factory.mktemp("study")))


@pytest.fixture
def store(study: Study, tmp_path: Path) -> Store:
    return Store.prepare(tmp_path / "out", study.inputs, study.plan)


def run(store: Store, execute: Execute = invented, *, retry_failed: bool = False) -> pd.DataFrame:
    run_plan(store, execute=execute, retry_failed=retry_failed)
    return Results(store.folder).outcomes()


def split(store: Store) -> None:
    """Store the rows again as one file each, as many small chunks would."""
    rows = store.rows(store.schema.names).to_pylist()
    for path in store.files():
        path.unlink()
    for row in rows:
        store.write_rows([row], "1of1")


def test_status_counts_rows_of_the_plan(store: Store) -> None:
    assert store.status() == {"planned": ROWS, "done": 0, "failed": 0, "left": ROWS}
    run(store, invented_with_failures)
    assert store.status() == {"planned": ROWS, "done": 8, "failed": 4, "left": 0}


def test_a_failed_run_is_a_row_with_its_error_and_traceback(store: Store) -> None:
    table = run(store, invented_with_failures)
    failed = table[table.status == "failed"]
    assert set(failed.patient) == {1}
    assert set(failed.error) == {"ValueError: patient 1 is odd"}
    assert failed.recovery_endpoint.isna().all()
    assert "study_cases.py" in Results(store.folder).failures().traceback.iloc[0]


def test_failed_runs_are_left_alone_unless_asked_for(store: Store) -> None:
    run(store, invented_with_failures)
    assert (run(store).status == "failed").sum() == 4
    again = run(store, retry_failed=True)
    assert set(again.status) == {"done"}
    assert store.status()["failed"] == 0


def test_another_seed_is_refused_with_the_difference(store: Store, tmp_path: Path) -> None:
    other = Study.load(write_study(tmp_path, TWO_DOSES.replace("patients: 3", "patients: 4")), seed=5)
    with pytest.raises(InputError) as caught:
        Store.prepare(store.folder, other.inputs, other.plan)
    assert "study.patients: 3 (stored), 4 (now)" in str(caught.value)
    assert "study.seed: 1 (stored), 5 (now)" in str(caught.value)


def test_another_model_is_refused_with_the_difference(store: Store, study: Study) -> None:
    old = study.inputs
    newer = StudyInputs(name=old.name, study=old.study, basis=old.basis, model="9.9.9")
    with pytest.raises(InputError, match=r'model: "0.1.*\(stored\), "9.9.9" \(now\)'):
        Store.prepare(store.folder, newer, replace(study, inputs=newer).plan)


def test_other_versions_are_refused_with_the_difference_and_mixed_only_if_asked(
    store: Store, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_plan(store, execute=invented, shard=(1, 3))
    newer = {**versions(), "model": "9.9", "numpy": "99.0"}
    monkeypatch.setattr("unstuck_analysis.study.store.versions", lambda: newer)
    old = study.inputs
    now = replace(study, inputs=StudyInputs(name=old.name, study=old.study, basis=old.basis, model="9.9"))
    with pytest.raises(InputError, match=r'numpy: "2.*" \(stored\), "99.0" \(now\)\n.*sweep --mix-versions'):
        now.run(store.folder)
    results = now.run(store.folder, mix_versions=True)
    table = results.outcomes()
    assert (table.status == "done").all()
    assert len(table) == ROWS
    by_version = table.drop_duplicates("run_id").versions.str.split(",").str[0].value_counts().to_dict()
    assert by_version == {old.model: DISTINCT // 3, "9.9": DISTINCT - DISTINCT // 3}
    assert "several versions of the program" in version_notes(results)[0]
    assert version_notes(results)[0] in unescape(study_report(results))
    assert version_notes(results)[0] in unescape(results._repr_html_())


def test_a_drug_file_that_changed_is_refused(tmp_path: Path) -> None:
    for dose in ("1 mg", "2 mg"):
        (tmp_path / "mine.yaml").write_text(
            "title: t\nextends: untreated\nphases:\n  treatment:\n    drugs:\n"
            f"      - {{drug: ssri-like, dose: {dose}, every: 1 d, for: 1 week}}\n"
        )
        study = Study.load(
            write_study(tmp_path, "title: t\ntreatments: [mine.yaml]\ndesign: list\npoints: [{}]\n")
        )
        if dose == "1 mg":
            Store.prepare(tmp_path / "out", study.inputs, study.plan)
    with pytest.raises(InputError, match=r'drugs.0.dose: "1 mg" \(stored\), "2 mg" \(now\)'):
        Store.prepare(tmp_path / "out", study.inputs, study.plan)


def test_a_folder_with_other_things_is_refused(study: Study, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.docx").write_text("ten years")
    with pytest.raises(InputError, match="is not empty and is not the folder of a study"):
        Store.prepare(tmp_path / "full", study.inputs, study.plan)
    with pytest.raises(InputError, match="is a file, not a folder"):
        Store.prepare(tmp_path / "full" / "thesis.docx", study.inputs, study.plan)


def test_a_folder_that_cannot_be_written_is_told(study: Study) -> None:
    with pytest.raises(StorageError, match="cannot be used"):
        Store.prepare(Path("/proc/unstuck"), study.inputs, study.plan)


def test_a_stop_while_the_folder_is_made_can_be_resumed(study: Study, tmp_path: Path) -> None:
    store = Store.prepare(tmp_path / "out", study.inputs, study.plan)
    (store.folder / "study.json").rename(store.folder / ".study.json.12ab.part")
    assert len(run(Store.prepare(store.folder, study.inputs, study.plan))) == ROWS


@pytest.mark.parametrize(
    "damage", [lambda content: content[:-20], lambda content: b"", lambda content: b"PAR1"]
)
def test_a_damaged_file_of_rows_is_named_then_set_aside_and_its_runs_are_repeated(
    store: Store, damage: Callable[[bytes], bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    before = run(store)
    split(store)
    damaged = store.files()[0]
    damaged.write_bytes(damage(damaged.read_bytes()))
    with pytest.raises(InputError, match=f"{damaged.name}: is cut off, damaged.*Run the same command again"):
        store.status()
    pd.testing.assert_frame_equal(run(store), before)
    assert f"{damaged.name}.damaged" in capsys.readouterr().err
    assert damaged.with_name(f"{damaged.name}.damaged").exists()


def test_a_file_of_another_study_is_refused(store: Store) -> None:
    run(store)
    pq.write_table(pa.table({"run_id": ["a"], "status": ["done"], "ended": [0.0]}), store._runs / "x.parquet")
    with pytest.raises(InputError, match=r"x.parquet: is cut off, damaged or no file of this study"):
        store.rows(["run_id"])


def test_rows_of_a_study_with_other_columns_are_refused(store: Store) -> None:
    run(store)
    store._write_table(pa.table({"run_id": ["a"], "status": ["done"], "ended": [0.0]}), "1of1")
    with pytest.raises(InputError, match=r"belongs to another study .it has no recovery_endpoint"):
        store.rows(["run_id", "recovery_endpoint"])


def test_half_written_files_count_for_nothing_and_are_removed(store: Store) -> None:
    half = store._runs / ".1of1-abc.parquet.12ab.part"
    half.write_bytes(b"PAR1 half a file")
    assert store.status()["done"] == 0
    run(store)
    assert not half.exists()


def test_compacting_changes_no_table(store: Store) -> None:
    before = run(store, invented_with_failures)
    split(store)
    assert len(store.files()) == DISTINCT
    store.compact()
    assert len(store.files()) == 1
    pd.testing.assert_frame_equal(Results(store.folder).outcomes(), before)


def test_a_stop_in_the_midst_of_compacting_counts_no_run_twice(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run(store)
    split(store)

    def stop(path: Path, missing_ok: bool = False) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", stop)
        with pytest.raises(KeyboardInterrupt):
            store.compact()
    assert len(store.files()) == DISTINCT + 1
    pd.testing.assert_frame_equal(Results(store.folder).outcomes(), before)
    assert store.status()["done"] == ROWS


def test_a_second_process_is_refused_while_the_first_one_works(store: Store) -> None:
    with FileLock(store.folder / "locks" / "part-1-of-1.lock"):
        with pytest.raises(InputError, match="another process works on it"):
            run(store)
        with pytest.raises(InputError, match="another process works on it"):
            run_plan(store, shard=(1, 2), execute=invented)
    with FileLock(store.folder / "locks" / "part-1-of-2.lock"):
        with pytest.raises(InputError, match="part 1 of 2"):
            run(store)
        run_plan(store, shard=(2, 2), execute=invented)
    assert run(store).status.eq("done").all()


def test_a_folder_in_place_of_a_lock_is_one_line(store: Store) -> None:
    (store.folder / "locks" / "part-1-of-1.lock").mkdir()
    with pytest.raises(StorageError, match="locks: cannot be locked: Is a directory"):
        run(store)


def test_a_long_list_of_differences_and_a_long_value_are_cut() -> None:
    lines = [str(number) for number in range(14)]
    assert _shortened(lines[:12]) == lines[:12]
    assert _shortened(lines[:13]) == [*lines[:12], "  and 1 more"]
    assert _told("x" * 58) == f'"{"x" * 58}"'
    assert _told("x" * 59) == f'"{"x" * 56}...'


def test_setting_aside_deletes_nothing(store: Store) -> None:
    before = run(store)
    aside = set_aside(store.folder)
    assert aside is not None
    assert not store.folder.exists()
    pd.testing.assert_frame_equal(Results(aside).outcomes(), before)


def test_a_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not the folder of a study"):
        Store(tmp_path).status()
    (tmp_path / "study.json").write_text(json.dumps({"hash": 1}))
    with pytest.raises(InputError, match=r"study.json: is damaged: 'checksum'"):
        Store(tmp_path).status()


def test_setting_aside_moves_nothing_but_a_study(tmp_path: Path) -> None:
    thesis = tmp_path / "full" / "thesis.docx"
    thesis.parent.mkdir()
    assert set_aside(thesis.parent) is None
    thesis.write_text("ten years")
    with pytest.raises(InputError, match="is not the folder of a study, and --new moves nothing else"):
        set_aside(thesis.parent)
    assert thesis.exists()


def test_a_plan_that_is_damaged_or_lost_is_reported_and_written_again(store: Store, study: Study) -> None:
    before, path = run(store), store._plan_path
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(
        InputError, match=r"plan-\w+.parquet: was changed .*cannot be read .12 rows.*Move plan-"
    ):
        store.status()
    path.unlink()
    with pytest.raises(InputError, match=r"plan-\w+.parquet: is missing; the same command writes it again"):
        store.status()
    pd.testing.assert_frame_equal(run(Store.prepare(store.folder, study.inputs, study.plan)), before)


def test_rows_removed_from_the_plan_are_counted(store: Store) -> None:
    run(store)
    table = pq.read_table(store._plan_path)
    pq.write_table(table.slice(0, 5), store._plan_path)
    with pytest.raises(InputError, match="it has 5 rows, 12 were written"):
        store.status()


def test_an_edited_study_is_refused_with_the_difference_and_can_be_restored(
    store: Store, study: Study
) -> None:
    before, path = run(store), store.folder / "study.json"
    path.write_text(path.read_text().replace('"seed": 1', '"seed": 7'))
    with pytest.raises(InputError, match=r"study.seed: 1 .stored., 7 .now.\nMove study.json away"):
        Results(store.folder)
    with pytest.raises(InputError, match=r"study\.seed: 1"):
        Store.prepare(store.folder, study.inputs, study.plan)
    path.unlink()
    pd.testing.assert_frame_equal(run(Store.prepare(store.folder, study.inputs, study.plan)), before)


@pytest.mark.parametrize("text", ["", "[1]", "{}", "[" * 100_000])
def test_a_study_file_with_any_other_content_is_refused_in_one_line(store: Store, text: str) -> None:
    (store.folder / "study.json").write_text(text)
    with pytest.raises(InputError, match=r"study\.json: is damaged: .*Move study.json away") as told:
        Results(store.folder)
    assert len(str(told.value).splitlines()) == 1


def test_a_file_in_place_of_the_folder_of_rows_is_not_taken_for_a_study_without_rows(
    store: Store, study: Study
) -> None:
    before = run(store)
    kept = store._runs.rename(store.folder / "kept")
    assert Store(store.folder).status()["left"] == ROWS  # the folder is gone: so are its rows
    store._runs.write_text("not a folder")
    for read in (store.status, store.faults, Results(store.folder).outcomes):
        with pytest.raises(StorageError, match=r"runs: cannot be listed: Not a directory\. Make it"):
            read()
    with pytest.raises(StorageError, match="runs: cannot be used: File exists"):
        Store.prepare(store.folder, study.inputs, study.plan)
    store._runs.unlink()
    kept.rename(store._runs)
    pd.testing.assert_frame_equal(Results(store.folder).outcomes(), before)


def test_a_file_of_rows_of_another_study_is_named_and_set_aside(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, other = run(store), Study.load(write_study(tmp_path), seed=9)
    strange = Store.prepare(tmp_path / "other", other.inputs, other.plan)
    run(strange)
    (path,) = strange.files()
    copied = Path(shutil.copy(path, store._runs))
    (told,) = store.faults()
    assert told.startswith(f"{copied}: contains {DISTINCT} runs of another study. Run the same command again")
    pd.testing.assert_frame_equal(run(store), before)
    assert f"{copied.name}.damaged: was damaged or of another study" in capsys.readouterr().err
    assert store.faults() == []
    assert copied.with_name(f"{copied.name}.damaged").exists()


def test_a_file_in_place_of_a_folder_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"doses\.yaml: is not the folder of a study"):
        Results(write_study(tmp_path))


@pytest.mark.parametrize("flips", [60, pytest.param(2000, marks=pytest.mark.slow)])
def test_no_flipped_bit_changes_a_number_in_silence(store: Store, flips: int) -> None:
    run(store)
    split(store)
    found = flip_bits(store, flips, seed=3)
    assert found["CHANGED"] == 0
    assert found["refused"] > 0.6 * flips  # the others change spaces of study.json


def test_verify_names_every_damaged_file(store: Store) -> None:
    run(store)
    assert store.faults() == []
    for path in (store._plan_path, store.files()[0]):
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    plan, rows = store.faults()
    assert "a value was changed" in plan or "cannot be read" in plan
    assert "it sets the file aside and repeats its runs" in rows


# A study grows


def by_run(table: pd.DataFrame) -> pd.Series:
    """The outcome that tells runs apart, by run_id."""
    return table.drop_duplicates("run_id").set_index("run_id").recovery_endpoint


@pytest.mark.parametrize(
    ("old", "new", "more"),
    [
        ("patients: 3", "patients: 4", 3),
        ("[untreated, ketamine-like]", "[untreated, ketamine-like, ssri-like]", 3),
        ("0.5 mg/kg]", "0.5 mg/kg, 1 mg/kg]", 3),
        ("title: Two doses", "title: Two doses of a drug", 0),
    ],
)
def test_a_study_that_grows_repeats_no_run(tmp_path: Path, old: str, new: str, more: int) -> None:
    small = Study.load(write_study(tmp_path))
    before = by_run(run(Store.prepare(tmp_path / "out", small.inputs, small.plan)))
    done: list[str] = []

    def counted(workplace: Workplace, run: PlannedRun) -> Row:
        done.append(run.run_id)
        return invented(workplace, run)

    large = Study.load(write_study(tmp_path, TWO_DOSES.replace(old, new)))
    table = run(Store.prepare(tmp_path / "out", large.inputs, large.plan), counted)
    assert len(done) == more
    assert len(table) == len(large.plan.table)
    assert by_run(table).loc[before.index].tolist() == before.tolist()


def test_a_study_that_shrinks_is_refused_by_key(store: Store, tmp_path: Path) -> None:
    run(store)
    text = TWO_DOSES.replace("[untreated, ketamine-like]", "[ketamine-like]")
    less = Study.load(write_study(tmp_path, text))
    with pytest.raises(InputError) as caught:
        Store.prepare(store.folder, less.inputs, less.plan)
    assert "study.treatments: - untreated" in str(caught.value)
    assert len(str(caught.value).splitlines()) < 6


def test_a_corrected_title_of_a_treatment_is_no_difference(tmp_path: Path) -> None:
    for title in ("Mine", "My own"):
        (tmp_path / "mine.yaml").write_text(f"title: {title}\nextends: untreated\n")
        study = Study.load(
            write_study(tmp_path, "title: t\ntreatments: [mine.yaml]\ndesign: list\npoints: [{}]\n")
        )
        store = Store.prepare(tmp_path / "out", study.inputs, study.plan)
    assert store.inputs.basis.arms["mine"].treatment.title == "My own"


def test_a_lock_that_is_only_looked_at_is_waited_for(store: Store) -> None:
    held = FileLock(store.folder / "locks" / "part-1-of-1.lock", thread_local=False)
    held.acquire()
    Timer(0.3, held.release).start()
    with store.working((1, 2)):
        pass


def test_a_half_written_session_is_passed_over(store: Store) -> None:
    with (store.folder / "sessions.jsonl").open("w") as file:
        file.write('{"started": "2026-')
    run(store)
    (session,) = store.sessions()
    assert session["shard"] == "1/1"
    assert session["environment"]["numpy"]
