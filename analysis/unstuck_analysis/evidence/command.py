"""What `unstuck evidence` does."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from unstuck_analysis.evidence import page
from unstuck_analysis.evidence.ablation import Matrix
from unstuck_analysis.evidence.arms import Subject
from unstuck_analysis.evidence.facts import Fact, choose_facts, read_facts
from unstuck_analysis.evidence.findings import Evidence, as_object, measure_all
from unstuck_analysis.evidence.mechanisms import choose_mechanisms
from unstuck_analysis.evidence.runs import RUNS
from unstuck_analysis.output.folder import claim_folder
from unstuck_analysis.output.terminal import console, progress, say

FOLDER = Path("results") / "evidence"  # always the same, so that a stopped run resumes
Progress = Callable[[str, int], AbstractContextManager[Callable[[Subject], None]]]


@dataclass(frozen=True)
class Request:
    """What is asked of the evidence."""

    rows: Sequence[str]
    without: Sequence[str]
    quick: bool
    patients: int | None
    seed: int
    workers: int
    folder: Path
    facts: Path | None

    @property
    def command(self) -> str:
        """The command that does the same again."""
        words = ["unstuck evidence", *(f"--row {row}" for row in self.rows)]
        words += [f"--without {name}" for name in self.without]
        words += ["--quick"] if self.quick else []
        words += [f"--patients {self.patients}"] if self.patients else []
        words += [f"--facts {self.facts}"] if self.facts else []
        return " ".join([*words, f"--seed {self.seed}"])

    def check(self) -> tuple[list[Fact], list[str]]:
        """Rows and mechanisms asked for; InputError for what does not exist, before anything is run."""
        return choose_facts(read_facts(self.facts), self.rows), choose_mechanisms(self.without)


def run(request: Request, as_json: bool) -> None:
    """Measure, print and write everything."""
    evidence, matrix = gather(request, progress)
    written = page.write_files(evidence, matrix, request.folder, request.command, full=not request.quick)
    if as_json:
        print(json.dumps(as_object(evidence, matrix and matrix.without), allow_nan=False))
    else:
        page.print_table(evidence, console())
        if matrix:
            page.print_matrix(matrix, console())
    say(f"Written to {request.folder}: {', '.join(written)}")


def gather(request: Request, progress: Progress) -> tuple[Evidence, Matrix | None]:
    """Measure the intact model and, one after the other, the model without each mechanism."""
    facts, mechanisms = request.check()
    claim_folder(request.folder, "evidence", overwrite=True)  # an earlier run is resumed
    found = {name: _measure(request, facts, name, progress) for name in ["", *mechanisms]}
    intact = found.pop("")
    return intact, Matrix(intact, found) if found else None


def _measure(request: Request, facts: Sequence[Fact], without: str, progress: Progress) -> Evidence:
    return measure_all(
        facts,
        quick=request.quick,
        patients=request.patients,
        seed=request.seed,
        workers=request.workers,
        folder=request.folder / RUNS,
        without=without,
        progress=lambda total: progress(f"subjects without {without}" if without else "subjects", total),
    )
