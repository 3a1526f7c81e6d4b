"""The README and the pages of the docs: what they tell people to type is typed here."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import unstuck
import yaml
from typer.main import get_command
from unstuck_analysis.cli import main
from unstuck_analysis.commands import app

ROOT = Path(__file__).parent.parent
TUTORIAL = ("compare", "watch-one-patient", "add-a-drug", "sweep-a-dose")
ELSEWHERE = {"add-a-mechanism", "choose-numbers"}  # has a test of its own; has no example
PAGES = [
    ROOT / "README.md",
    ROOT / "docs" / "landscape.md",
    *(ROOT / "docs" / "tutorial" / f"{name}.md" for name in TUTORIAL),
    *(page for page in sorted((ROOT / "docs" / "how-to").glob("*.md")) if page.stem not in ELSEWHERE),
]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run_block(language: str, text: str) -> None:
    """Do what a reader would do with one block of a page, in the working folder."""
    named = re.match(r"# file: (\S+)\n", text)
    if language == "yaml" and named:
        Path(named[1]).write_text(text)
    if language == "csv" and named:  # a table has no comments
        Path(named[1]).write_text(text.removeprefix(named[0]))
    if language == "python":
        exec(compile(text, "page", "exec"), {"__name__": "__main__"})
    if language == "sh":
        for words in arguments_of(text):
            type_in(words)


def type_in(words: list[str]) -> None:
    """Run one command in this process; it must end well."""
    with pytest.raises(SystemExit) as end:
        main(words)
    assert not end.value.code, " ".join(words)


def arguments_of(text: str) -> Iterator[list[str]]:
    """The commands `unstuck ...` of a block, as words, without a redirection of their output."""
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["unstuck"]:
            yield words[1 : words.index(">")] if ">" in words else words[1:]


def understand(words: list[str]) -> None:
    """Let the command line read one command without running it: unknown commands and options are refused."""
    root = get_command(app)
    context = root.make_context("unstuck", words[:], resilient_parsing=False)
    name, command, rest = root.resolve_command(context, words)  # pyright: ignore[reportAttributeAccessIssue]
    command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_is_understood_and_every_example_compiles(page: Path) -> None:
    blocks = BLOCK.findall(page.read_text())
    assert blocks
    for language, text in blocks:
        if language == "python":
            compile(text, page.name, "exec")
        if language == "yaml":
            assert isinstance(yaml.safe_load(text), dict)
        if language == "sh":
            for words in arguments_of(text):
                understand(words)


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[] if page.parent.name == "how-to" else pytest.mark.slow) for page in PAGES],
    ids=lambda page: page.name,
)
def test_every_command_and_example_of_a_page_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = BLOCK.findall(page.read_text())
    assert blocks
    for language, text in blocks:
        run_block(language, text)


def test_the_treatment_in_the_readme_is_a_valid_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (text,) = [
        text for language, text in BLOCK.findall((ROOT / "README.md").read_text()) if language == "yaml"
    ]
    Path("readme.yaml").write_text(text)
    type_in(["check", "readme.yaml"])


def test_ci_runs_the_very_test_command_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    (command,) = re.findall(r" # README test command\n +(.*)\n +# end of README", script)
    assert command in (ROOT / "README.md").read_text().splitlines()


def test_the_citation_has_the_version_of_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert str(citation["version"]) == unstuck.__version__


def test_the_readme_counts_the_findings_that_the_evidence_page_counts() -> None:
    page, readme = (ROOT / "docs/evidence.md").read_text(), (ROOT / "README.md").read_text()
    counted = r"\d+ (?:of \d+ )?(?:fitted|held-out) findings are (?:reproduced|not measured yet)"
    counts = re.findall(counted, page)
    assert len(counts) == 2
    assert all(count in readme for count in counts)


def test_every_image_and_local_link_of_the_readme_exists() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text()):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_the_documentation_builds_without_a_broken_link(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
