"""The pictures of the tutorial, made by typing its commands.

`python docs/make/all.py tutorial` runs the commands of docs/tutorial/*.md in a temporary folder.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

from quick_runs import DOCS
from unstuck_analysis.output.style import save_figure
from unstuck_analysis.study.figures import outcome_figure
from unstuck_analysis.study.results import Results

PAGES = ("compare", "watch-one-patient", "add-a-drug", "sweep-a-dose")
BLOCK = re.compile(r"^```(sh|yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COPIED = {  # written by a command: image of the docs
    "results/first/recovery.png": "tutorial-compare.png",
    "results/one/patient.png": "tutorial-patient.png",
    "results/mine/recovery.png": "tutorial-drug.png",
}
DRAWN = {"results/stress-map": "stress-map.png", "results/my-study": "tutorial-dose.png"}
FILES = tuple(f"images/{name}" for name in (*COPIED.values(), *DRAWN.values()))


def blocks() -> Iterator[tuple[str, str]]:
    """Language and text of the commands and files of the tutorial, in order."""
    for page in PAGES:
        yield from BLOCK.findall((DOCS / "tutorial" / f"{page}.md").read_text(encoding="utf-8"))


def type_in(text: str, workers: int) -> None:
    """Run the commands `unstuck ...` of a block."""
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["unstuck"]:
            more = ["--workers", str(workers)] if words[1] == "compare" else []
            command = [sys.executable, "-m", "unstuck_analysis", *words[1:], *more]
            subprocess.run(command, check=True, capture_output=True, env=os.environ)


def make(workers: int) -> None:
    """Run the tutorial and keep its pictures."""
    with TemporaryDirectory() as folder, chdir(folder):
        for language, text in blocks():
            if language == "yaml" and (named := re.match(r"# file: (\S+)\n", text)):
                Path(named[1]).write_text(text, encoding="utf-8")
            elif language == "sh":
                type_in(text, workers)
        for written, image in COPIED.items():
            shutil.copyfile(written, DOCS / "images" / image)
        for results, image in DRAWN.items():
            found = Results(Path(results))
            figure = outcome_figure(found, found.inputs.study.outcomes[0])
            assert figure is not None
            save_figure(figure, DOCS / "images" / image)
