"""Every way of doing the runs gives the same bytes, and a worker that dies takes no study with it."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from kill_sweep import kill_and_resume
from study_cases import ROWS, all_fail, deadly, deadly_at_first, endless, invented, write_study
from unstuck.engine.step import RunError
from unstuck_analysis.study.cluster import client_workers, dask_workers
from unstuck_analysis.study.file import Study
from unstuck_analysis.study.results import Results
from unstuck_analysis.study.run import Progress, TookTooLong, run_plan, time_limit
from unstuck_analysis.study.store import Store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studies")


@pytest.fixture(scope="module")
def study(folder: Path) -> Study:
    return Study.load(write_study(folder))


@pytest.fixture(scope="module")
def serial(study: Study, folder: Path) -> bytes:
    """The outcomes and series as files, when everything runs in this process."""
    return exported(study.run(folder / "serial"))


def exported(results: Results) -> bytes:
    path = results.store.folder / "table.csv"
    results.export(path)
    outcomes = path.read_bytes()
    results.export(path, series=True)
    return outcomes + path.read_bytes()


def test_two_processes_find_the_same_bytes(study: Study, serial: bytes, tmp_path: Path) -> None:
    assert exported(study.run(tmp_path / "out", workers=2)) == serial


def test_three_shards_find_the_same_bytes(study: Study, serial: bytes, tmp_path: Path) -> None:
    for number in (3, 1, 2):
        results = study.run(tmp_path / "out", shard=(number, 3))
    assert exported(results) == serial


@pytest.fixture(scope="module")
def dask_client() -> Iterator[object]:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


def test_dask_finds_the_same_bytes_though_a_worker_is_killed(
    study: Study, serial: bytes, tmp_path: Path, dask_client: object
) -> None:
    killed: list[int] = []

    def kill_one(progress: Progress) -> None:
        if progress.done and progress.left and not killed:
            killed.extend(list(dask_client.run(os.getpid).values())[:1])  # pyright: ignore[reportAttributeAccessIssue]
            os.kill(killed[0], signal.SIGKILL)

    workers = client_workers(dask_client, 2)  # pyright: ignore[reportArgumentType]
    results = study.run(tmp_path / "out", workers=workers, on_progress=kill_one)
    assert killed
    assert exported(results) == serial


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Address and process of a Dask scheduler with one worker."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    host, port = address.split(":")
    begin = ["dask_scheduler", "--host", host, "--port", port, "--no-dashboard"]
    work = ["dask_worker", f"tcp://{address}", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    with (tmp_path / "dask.log").open("w") as log:
        started = [
            subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{name}", *words], stdout=log, stderr=log
            )
            for name, *words in (begin, work)
        ]
    yield f"tcp://{address}", started[0]
    for process in started:
        process.kill()
        process.wait()


def test_a_study_whose_scheduler_is_killed_ends_in_one_line_and_continues_to_the_same_bytes(
    study: Study,
    serial: bytes,
    tmp_path: Path,
    scheduler: tuple[str, "subprocess.Popen[bytes]"],
    caplog: pytest.LogCaptureFixture,
) -> None:
    address, process = scheduler
    (tmp_path / "cluster.yaml").write_text(f"kind: scheduler\naddress: {address}\n")

    def kill(progress: Progress) -> None:
        if progress.done and progress.left:
            process.kill()

    with pytest.raises(RunError, match=r"the scheduler of the cluster has ended\. Finished runs are kept"):
        study.run(tmp_path / "out", workers=dask_workers(tmp_path / "cluster.yaml"), on_progress=kill)
    assert caplog.text == ""
    stored = Store(tmp_path / "out").status()
    assert stored["done"] > 0 < stored["left"]
    assert exported(study.run(tmp_path / "out")) == serial


def test_a_cluster_without_a_worker_is_told_and_not_waited_for(study: Study, tmp_path: Path) -> None:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=0, dashboard_address=":0") as cluster,
        Client(cluster) as client,
        pytest.raises(RunError, match="the cluster has had no worker for 1 s"),
    ):
        study.run(tmp_path / "out", workers=client_workers(client, 2, patience_s=1.0))
    assert Store(tmp_path / "out").status()["failed"] == 0


@pytest.mark.parametrize("kills", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_a_sweep_that_is_killed_again_and_again_finds_the_same_bytes(tmp_path: Path, kills: int) -> None:
    killed, interrupted, whole = kill_and_resume(tmp_path, kills=kills, workers=2, seed=6)
    assert killed == kills
    assert interrupted == whole


def test_a_run_that_takes_its_process_down_is_a_failed_row(study: Study, tmp_path: Path) -> None:
    store = Store.prepare(tmp_path / "out", study.inputs, study.plan)
    run_plan(store, workers=2, execute=deadly)
    table = Results(store.folder).outcomes()
    assert len(table) == ROWS
    failed = table[table.status == "failed"]
    assert set(zip(failed.treatment, failed.patient, strict=True)) == {("untreated", 1)}
    assert set(table[table.status == "done"].patient) == {0, 1, 2}
    assert "worker process died" in Results(store.folder).failures().error.iloc[0]


@pytest.mark.slow
@pytest.mark.parametrize(("deaths", "failed"), [(4, 0), (5, 2)])  # with others, in its group, and alone
def test_a_run_is_blamed_only_for_three_deaths_of_workers_alone_with_it(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deaths: int, failed: int
) -> None:
    counter = tmp_path / "deaths"
    counter.write_text(str(deaths))
    monkeypatch.setenv("DEATHS_LEFT", str(counter))
    store = Store.prepare(tmp_path / "out", study.inputs, study.plan)
    run_plan(store, workers=2, execute=deadly_at_first)
    assert counter.read_text() == "0"
    assert store.status() == {"planned": ROWS, "done": ROWS - failed, "failed": failed, "left": 0}


def test_a_run_that_does_not_end_is_a_failed_row(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unstuck_analysis.study.run.LONGEST_RUN_S", 2.0)  # healthy runs take milliseconds
    store = Store.prepare(tmp_path / "out", study.inputs, study.plan)
    run_plan(store, execute=endless)
    failures = Results(store.folder).failures()
    assert set(zip(failures.treatment, failures.patient, strict=True)) == {("untreated", 1)}
    assert set(failures.error) == {
        "TookTooLong: stopped by the time limit of a run: use fewer neurons or a shorter follow-up"
    }
    assert store.status()["left"] == 0


def test_a_time_limit_ends_code_that_answers_any_exception() -> None:
    def endless_and_deaf() -> None:
        try:
            while True:
                pass
        except Exception:
            while True:
                pass

    with pytest.raises(TookTooLong), time_limit(0.05, again_s=0.5):
        endless_and_deaf()


def test_progress_ends_with_nothing_left(study: Study, tmp_path: Path) -> None:
    seen: list[Progress] = []
    store = Store.prepare(tmp_path / "out", study.inputs, study.plan)
    run_plan(store, workers=1, execute=invented, on_progress=seen.append)
    assert seen[0].left == seen[0].planned > 0
    assert [progress.left for progress in seen] == sorted((p.left for p in seen), reverse=True)
    assert seen[-1].left == 0


@pytest.mark.parametrize("shard", [(0, 3), (4, 3)])
def test_a_shard_out_of_range_is_refused(study: Study, tmp_path: Path, shard: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="i from 1 to n"):
        study.run(tmp_path / "out", shard=shard)


def test_a_script_without_a_guard_gets_one_clear_message(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(f"""
        from unstuck import Study
        print(Study.load({str(write_study(tmp_path))!r}).run({str(tmp_path / "out")!r}, workers=2).outcomes())
        """)
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    assert 'if __name__ == "__main__":' in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_workers_that_cannot_start_fail_no_run(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(f"""
        if __name__ != "__main__":
            raise OSError("this file is open elsewhere")
        from unstuck import Study
        Study.load({str(write_study(tmp_path))!r}).run({str(tmp_path / "out")!r}, workers=2)
        """)
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    assert "the workers could not start" in done.stderr
    assert 'if __name__ == "__main__":' in done.stderr
    assert Store(tmp_path / "out").status()["failed"] == 0


@pytest.mark.slow
def test_failed_runs_lost_with_a_worker_are_tried_again(study: Study, tmp_path: Path) -> None:
    store = Store.prepare(tmp_path / "out", study.inputs, study.plan)
    run_plan(store, workers=1, execute=all_fail)
    assert store.status()["failed"] == ROWS
    run_plan(store, workers=2, execute=deadly, retry_failed=True)
    failures = Results(store.folder).failures()
    assert set(zip(failures.treatment, failures.patient, strict=True)) == {("untreated", 1)}
    assert "worker process died" in failures.error.iloc[0]
