"""Story files: what is checked, and how a fault is reported."""

from pathlib import Path

import pytest
from unstuck.errors import InputError
from unstuck.files.find import shipped
from unstuck_analysis.library.check import check_file
from unstuck_analysis.view.stories import find_story, read_story, stories_on_offer

STORY = """title: My story
copies: [{treatment: untreated}]
scenes:
  - {from: 0, to: 7, caption: One week}
"""


@pytest.mark.parametrize(
    ("wrong", "right", "why"),
    [
        ("untreated", "untreatd", "did you mean 'untreated'"),
        ("caption", "captoin", "did you mean 'caption'"),
        ("to: 7", "to: 700", "scenes.0.to: from 0 to 700: must rise, within day -142 and day 168"),
        ("to: 7", "to: -7", "must rise"),
        ("caption: One week", "caption: One week, point_at: mPFZ", "did you mean 'mPFC'"),
        ("caption: One week", "caption: One week, copy: B", "there is no copy B: the story has 1"),
        ("untreated", "untreated, dose: 20 mg", "a dose can be set only where"),
        ("untreated", "ssri-like, dose: 20 km", "copies.0.dose"),
    ],
)
def test_a_wrong_story_names_file_line_and_key(tmp_path: Path, wrong: str, right: str, why: str) -> None:
    file = tmp_path / "story.yaml"
    file.write_text(STORY.replace(wrong, right), encoding="utf-8")
    with pytest.raises(InputError) as fault:
        read_story(file)
    assert why in str(fault.value)
    assert f"{file}:" in str(fault.value)


def test_a_story_of_ones_own_is_offered_and_a_wrong_one_is_reported_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "scenarios" / "stories"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(STORY, encoding="utf-8")
    (folder / "wrong.yaml").write_text("title: W\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    stories, faults = stories_on_offer()
    assert "My story" in [story["title"] for story in stories]
    assert len(faults) == 1
    assert "wrong.yaml" in faults[0]


def test_the_six_shipped_stories_can_be_read() -> None:
    assert len(shipped("stories")) == 6
    for path in shipped("stories").values():
        assert read_story(path).scenes


def test_an_unknown_story_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="did you mean 'too-short'"):
        find_story("to-short")


def test_check_knows_stories_and_reports_a_wrong_one(tmp_path: Path) -> None:
    file = tmp_path / "story.yaml"
    file.write_text(STORY, encoding="utf-8")
    assert check_file(file) == ("story", [])
    file.write_text(STORY.replace("to: 7", "to: 700"), encoding="utf-8")
    with pytest.raises(InputError, match="must rise"):
        check_file(file)
