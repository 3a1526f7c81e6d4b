"""The README and the pages of the docs: what they tell people to type is typed here."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from unstuck_analysis.cli import main

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    *(ROOT / "docs" / f"{name}.md" for name in ("tutorial", "landscape", "studies")),
    *sorted((ROOT / "docs" / "how-to").glob("*.md")),
]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run_block(language: str, text: str) -> None:
    """Do what a reader would do with one block of a page, in the working folder."""
    named = re.match(r"# file: (\S+)\n", text)
    if language == "yaml" and named:
        Path(named[1]).write_text(text)
    if language == "python":
        exec(compile(text, "page", "exec"), {"__name__": "__main__"})
    if language == "sh":
        for line in text.splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["unstuck"]:
                type_in(words[1:])


def type_in(words: list[str]) -> None:
    """Run one command in this process; it must end well."""
    with pytest.raises(SystemExit) as end:
        main(words)
    assert not end.value.code, " ".join(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_example_of_a_page_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = BLOCK.findall(page.read_text())
    assert blocks or page.name == "add-a-mechanism.md"
    for language, text in blocks:
        run_block(language, text)


def test_the_treatment_in_the_readme_is_a_valid_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (text,) = [
        text for language, text in BLOCK.findall((ROOT / "README.md").read_text()) if language == "yaml"
    ]
    Path("readme.yaml").write_text(text)
    type_in(["check", "readme.yaml"])


@pytest.mark.quick
def test_ci_runs_the_very_test_command_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    (command,) = re.findall(r"# README test command\n(.*)\n# end of README", script)
    assert command in (ROOT / "README.md").read_text()


@pytest.mark.quick
def test_the_readme_counts_the_findings_that_the_evidence_page_counts() -> None:
    (headline,) = re.findall(r"\*\*(Findings that hold: .*?)\*\*", (ROOT / "docs/evidence.md").read_text())
    assert headline in (ROOT / "README.md").read_text()


@pytest.mark.quick
def test_every_image_and_local_link_of_the_readme_exists() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text()):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_the_documentation_builds_without_a_broken_link(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
