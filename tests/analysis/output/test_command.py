"""The decorator of commands: options, folders, what is printed, and results/latest."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner
from unstuck_analysis.output.answer import About, Answer
from unstuck_analysis.output.command import Seed, command
from unstuck_analysis.output.folder import RESULTS
from unstuck_analysis.output.table import Column, Table

TABLE = Table([Column("name"), Column("value", unit="d", meaning="a number")], [["x", 1.5]])


def answered(*words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command that answers its own seed."""
    app = typer.Typer()
    app.callback()(lambda: None)

    @command(app, "unstuck ask --seed 3", "Analyse")
    def ask(folder: Path, seed: Seed = 1) -> Answer:
        """Answer the seed."""
        assert folder.is_dir()
        about = About("nothing", "0 patients", str(seed), "none")
        return Answer(
            f"Seed {seed}",
            [f"The seed is {seed}."],
            about,
            {"seeds": TABLE},
            printed=["seeds"],
            notes=["a note"],
            next_step="unstuck show {folder}",
        )

    done = CliRunner().invoke(app, ["ask", *words])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_command_prints_its_finding_and_says_what_to_open_and_to_type_next() -> None:
    code, out, err = answered("--seed", "3", "--out", "mine")
    assert (code, out.splitlines()[0]) == (0, "The seed is 3.")
    assert "value (d): a number" in out
    assert err.splitlines() == [
        "Note: a note",
        "Written to mine: seeds.csv, report.html",
        "Open mine/report.html",
        "Next: unstuck show mine",
    ]
    assert Path("mine/seeds.csv").read_text() == "name,value\nx,1.5\n"


def test_the_report_is_one_page_with_the_finding_table_and_provenance() -> None:
    answered("--out", "mine")
    page = Path("mine/report.html").read_text()
    for text in (
        "<main>",
        "The seed is 1.",
        'scope="col"',
        "Where the numbers come from",
        "not medical advice",
    ):
        assert text in page
    assert "http" not in page


def test_json_is_printed_instead_of_sentences() -> None:
    assert answered("--json", "--out", "mine")[1] == '{"seeds": [{"name": "x", "value": 1.5}]}\n'


def test_a_folder_that_is_not_empty_is_refused_unless_overwrite_is_given() -> None:
    assert answered("--out", "mine")[0] == 0
    assert answered("--out", "mine")[0] != 0
    assert answered("--out", "mine", "--overwrite")[0] == 0


def test_results_latest_leads_to_the_newest_results() -> None:
    for name in ("first", "second"):
        answered("--out", f"results/{name}")
        assert (RESULTS / "latest").resolve() == (RESULTS / name).resolve()
    assert (RESULTS / "latest" / "report.html").exists()


def test_a_short_h_shows_the_help_with_the_shared_options() -> None:
    code, out, _ = answered("-h")
    assert code == 0
    assert all(option in out for option in ("--seed", "--out", "--overwrite", "--json"))
    assert "--folder" not in out
