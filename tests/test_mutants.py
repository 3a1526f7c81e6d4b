"""The script that changes code makes each kind of change, and leaves texts, annotations and assertions."""

from pathlib import Path

from mutants import mutant_at, places_in

CODE = '''
def share(lost: list[int], total: int = 4) -> float:
    """Share of 3."""
    assert total > 0
    if not lost and total >= 5:
        return 0.5
    lost.sort()
    return len(lost) / total
'''
CHANGES = {
    "4 -> 5",
    "not lost and total >= 5 -> not lost or total >= 5",
    "not lost -> lost",
    "total >= 5 -> total > 5",
    "total >= 5 -> total < 5",
    "5 -> 6",
    "return 0.5 -> return None",
    "0.5 -> 1.5",
    "lost.sort() -> pass",
    "return len(lost) / total -> return None",
    "len(lost) / total -> len(lost) * total",
}


def test_every_kind_of_change_is_made_and_compiles_to_other_code(tmp_path: Path) -> None:
    path = tmp_path / "code.py"
    path.write_text(CODE)
    mutants = [mutant_at(*place) for place in places_in(path)]
    conditions = {mutant.change for mutant in mutants if mutant.change.startswith("if ")}
    assert {mutant.change for mutant in mutants} - conditions == CHANGES
    assert len(conditions) == 1
    assert all(mutant.code.co_code is not None for mutant in mutants)


def test_a_mutant_behaves_as_its_change_says(tmp_path: Path) -> None:
    path = tmp_path / "code.py"
    path.write_text(CODE)
    (mutant,) = [m for place in places_in(path) if (m := mutant_at(*place)).change == "4 -> 5"]
    names: dict[str, object] = {}
    exec(mutant.code, names)
    assert mutant.line == 2
    assert names["share"]([1]) == 0.2  # pyright: ignore[reportCallIssue]
