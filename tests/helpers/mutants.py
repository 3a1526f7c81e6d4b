"""Change the code in one place, run the tests that cover the line, and count changes that no test notices.

python tests/helpers/mutants.py life store --sample 40 --seed 1    # without a name: all of GROUPS

Each mutant runs in a fork with an import hook, so the files on disk and the compiled code stay as they are.
Groups of compiled functions run with NUMBA_DISABLE_JIT=1. Texts, annotations and assertions are not changed.
A process that a test starts does not have the mutant. Needs a system with fork.
"""

import argparse
import ast
import csv
import importlib
import io
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from copy import deepcopy
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.csv")
MODEL, ANALYSIS = "model/unstuck", "analysis/unstuck_analysis"
# By group: the files that are changed, the tests that run, and whether functions stay uncompiled.
GROUPS: dict[str, tuple[str, str, bool]] = {
    "rules": (f"{MODEL}/rules/*.py", "tests/model/rules/test_rules.py", True),
    "kinetics": (f"{MODEL}/drugs/kinetics.py", "tests/model/drugs/test_kinetics.py", True),
    "exposure": (f"{MODEL}/drugs/exposure.py", "tests/model/drugs/test_e*.py", False),
    "life": (
        f"{MODEL}/patient/life.py",
        "tests/model/patient/test_life.py tests/model/patient/test_run_treatment.py",
        False,
    ),
    "outcomes": (f"{ANALYSIS}/outcomes.py", "tests/analysis/test_outcomes.py", False),
    "store": (f"{ANALYSIS}/study/store.py", "tests/analysis/study/test_store.py", False),
    "trial": (f"{ANALYSIS}/trial/*.py", "tests/analysis/trial/test_*.py", False),
}
LEFT_OUT = {f"{MODEL}/rules/compiled.py"}  # how functions are compiled is no rule
PRELOADED = ("numpy", "pandas", "scipy.stats", "numba", "pyarrow.parquet", "pydantic", "hypothesis", "pytest")
OPTIONS = ["-x", "-q", "-n", "0", "--dist", "no", "-p", "no:cacheprovider", "-m", "not slow"]
COMPARISONS: dict[type, tuple[type, ...]] = {
    **{ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE)},
    **{ast.GtE: (ast.Gt, ast.Lt), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,)},
    **{ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,)},
}
ARITHMETIC: dict[type, type] = {
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div},
    **{ast.Mod: ast.Mult, ast.Pow: ast.Mult},
}


class Mutant(NamedTuple):
    """One change of one file: the changed code, as text before and after, and compiled."""

    path: Path
    line: int
    change: str
    code: CodeType

    @property
    def name(self) -> tuple[str, str, str]:
        """What stays the same when lines move: the file, the text of the line, and the change."""
        text = self.path.read_text("utf-8").splitlines()[self.line - 1].strip()
        return self.path.relative_to(ROOT).as_posix(), text, self.change


def places_in(path: Path) -> list[tuple[Path, int, int]]:
    """Every change that can be made to a file: its path, the number of the node, and of the change to it."""
    nodes = enumerate(_nodes(ast.parse(path.read_text("utf-8"))))
    return [(path, number, choice) for number, node in nodes for choice, _ in enumerate(_changes(node))]


def mutant_at(path: Path, number: int, choice: int) -> Mutant:
    """The mutant of one of `places_in`."""
    tree = ast.parse(path.read_text("utf-8"))
    node = list(_nodes(tree))[number]
    before, line = ast.unparse(node), node.lineno
    list(_changes(node))[choice]()
    change = " ".join(f"{before} -> {ast.unparse(node)}".split())
    return Mutant(path, line, change, compile(ast.fix_missing_locations(tree), str(path), "exec"))


def _nodes(node: ast.AST) -> Iterator[Any]:
    """What can be changed: all but texts, annotations and assertions; a statement before its parts."""
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if name in ("annotation", "returns", "decorator_list") or not isinstance(child, ast.AST):
                continue
            if not isinstance(child, ast.Assert):
                if isinstance(child, ast.expr | ast.stmt):
                    yield child
                yield from _nodes(child)


def _changes(node: Any) -> Iterator[Callable[[], None]]:
    """What can be done to a node."""

    def put(name: str, value: Any) -> Callable[[], None]:
        return lambda: setattr(node, name, value)

    def become(other: ast.AST) -> Callable[[], None]:
        def change() -> None:
            place = {name: getattr(node, name) for name in ("lineno", "col_offset")}
            node.__class__, node.__dict__ = other.__class__, {**deepcopy(other.__dict__), **place}

        return change

    match node:
        case ast.Compare(ops=[op]):
            yield from (put("ops", [other()]) for other in COMPARISONS[type(op)])
        case ast.BinOp() | ast.AugAssign() if type(node.op) in ARITHMETIC:
            yield put("op", ARITHMETIC[type(node.op)]())
        case ast.BoolOp():
            yield put("op", ast.And() if isinstance(node.op, ast.Or) else ast.Or())
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield become(node.operand)
        case ast.IfExp() | ast.If() | ast.While() if not isinstance(node.test, ast.Compare | ast.UnaryOp):
            yield put("test", ast.UnaryOp(ast.Not(), node.test))
        case ast.Constant(value=bool()):
            yield put("value", not node.value)
        case ast.Constant(value=int() | float() as number):
            yield put("value", number + 1)
        case ast.Return(value=ast.expr() as value) if ast.unparse(value) != "None":
            yield put("value", ast.Constant(None))
        case ast.Continue() | ast.Break():
            yield become(ast.Break() if isinstance(node, ast.Continue) else ast.Continue())
    removable = isinstance(node, ast.Raise | ast.AugAssign | ast.Delete)
    removable |= isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)
    removable |= isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute | ast.Subscript)
    if removable:
        yield become(ast.Pass())


class _Hook(MetaPathFinder):
    """Loads the mutant in place of its file."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant
        _, *parts = mutant.path.relative_to(ROOT).with_suffix("").parts
        self.name = ".".join(parts).removesuffix(".__init__")

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        loader = SourceFileLoader(fullname, str(self.mutant.path))
        loader.get_code = lambda fullname: self.mutant.code
        return spec_from_file_location(fullname, self.mutant.path, loader=loader)


class _Contexts:
    """A pytest plugin: tells coverage which test runs."""

    def __init__(self, measured: Any) -> None:
        self.measured = measured

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.measured.switch_context(nodeid)


def covering_tests(paths: list[Path], tests: list[str]) -> dict[tuple[Path, int], list[str]]:
    """Which tests run which line of which file; "" where it runs before any test, at import."""
    with tempfile.TemporaryDirectory() as folder:
        noted = Path(folder) / "lines.csv"
        if in_fork(lambda: _note_lines(paths, tests, noted), 3600.0) != 0:
            raise SystemExit(f"the tests {' '.join(tests)} fail without a mutant or take too long")
        covering = defaultdict[tuple[Path, int], list[str]](list)
        with noted.open(newline="") as file:
            for path, line, test in csv.reader(file):
                covering[Path(path), int(line)] += [test]
    return covering


def _note_lines(paths: list[Path], tests: list[str], noted: Path) -> int:
    import coverage
    import pytest

    measured = coverage.Coverage(data_file=None, include=[str(path) for path in paths], config_file=False)
    measured.start()
    code = pytest.main([*OPTIONS, *tests], plugins=[_Contexts(measured)])
    measured.stop()
    with noted.open("w", newline="") as file:
        for path in paths:
            lines = measured.get_data().contexts_by_lineno(str(path)).items()
            csv.writer(file).writerows((path, line, test) for line, names in lines for test in names)
    return code


def in_fork(work: Callable[[], int | None], limit_s: float) -> int | None:
    """Exit code of work that is done in a fork, silently; None if it was not done in time."""
    if (child := os.fork()) == 0:
        os.setpgid(0, 0)
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            try:
                code = int(work() or 0)
            except BaseException:
                code = 70
        os._exit(code)
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def result_of(mutant: Mutant, tests: list[str], limit_s: float) -> str:
    """Whether the tests notice a mutant: killed, survived or timeout."""

    def work() -> int:
        import pytest

        sys.meta_path.insert(0, _Hook(mutant))
        return pytest.main([*OPTIONS, *tests])

    code = in_fork(work, limit_s)
    return "timeout" if code is None else "survived" if code == 0 else "killed"


def try_group(name: str, sample: int, seed: int) -> None:
    """Try so many mutants of a group, drawn at random, and print the counts and those that survived."""
    pattern, tests, _ = GROUPS[name]
    paths = [path for path in sorted(ROOT.glob(pattern)) if path.relative_to(ROOT).as_posix() not in LEFT_OUT]
    mirrored = [str(path) for one in tests.split() for path in sorted(ROOT.glob(one))]
    sys.path[:0] = [str(ROOT / "model"), str(ROOT / "analysis")]  # also where another checkout is installed
    for module in PRELOADED:
        importlib.import_module(module)
    began = time.monotonic()
    covering = covering_tests(paths, mirrored)
    limit_s = 30.0 + 3.0 * (time.monotonic() - began)
    places = [place for path in paths for place in places_in(path)]
    with EQUIVALENT.open(encoding="utf-8", newline="") as file:
        equivalent = {(row["file"], row["line"], row["change"]) for row in csv.DictReader(file)}
    found = Counter[str]()
    for place in random.Random(seed).sample(places, min(sample, len(places))):
        mutant = mutant_at(*place)
        asked = covering.get((mutant.path, mutant.line), [])
        result = "equivalent" if mutant.name in equivalent else "survived"
        # Other tests can see the change too, where results are shared between tests.
        for chosen in [sorted(asked), mirrored] if "" not in asked else [mirrored]:
            if result == "survived" and chosen:
                result = result_of(mutant, chosen, limit_s)
        found[result] += 1
        if result == "survived":
            print(f"  {mutant.path.relative_to(ROOT)}:{mutant.line}: {mutant.change}", flush=True)
    killed = found["killed"] + found["timeout"]
    print(
        f"{name}: {killed} of {killed + found['survived']} killed ({found['timeout']} by the time limit),"
        f" {found['equivalent']} equivalent; drawn from {len(places)} with seed {seed}",
        flush=True,
    )


def main() -> None:
    """Try groups, each in a new process, because functions are compiled or not from its start."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("groups", nargs="*", help=f"{', '.join(GROUPS)}; without one: all")
    parser.add_argument("--sample", type=int, default=40, help="mutants per group")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    for name in asked.groups or GROUPS:
        settings = {"CI": "1", "NUMBA_DISABLE_JIT": str(int(GROUPS[name][2]))}
        context = multiprocessing.get_context("spawn")
        os.environ |= settings
        process = context.Process(target=try_group, args=(name, asked.sample, asked.seed))
        process.start()
        process.join()


if __name__ == "__main__":
    main()
