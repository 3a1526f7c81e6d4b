"""The research commands as typed: the contract of --json, captions, and bad input."""

from pathlib import Path

import pytest
from command_line import Compared, Unstuck
from unstuck_analysis.output.style import DASHES, PALETTE, look


def test_landscape_json_keeps_its_contract_and_every_figure_has_a_caption(unstuck: Unstuck) -> None:
    done = unstuck(
        "landscape", "untreated", "--neurons", 0, "--vary", "stress", 0, 0.1, "--json", "--out", "out"
    )
    found = done.json
    assert list(found) == ["healthy", "stuck", "separatrix", "fold_stress", "minimal_course", "varied"]
    assert found["healthy"] == {"C": 1.0}
    assert isinstance(found["stuck"]["C"], float)
    assert list(found["separatrix"]) == ["C_saddle", "C_line"]
    assert isinstance(found["fold_stress"], float)
    for name, unit in (("ssri-like", "days"), ("tianeptine-like", "days"), ("ketamine-like", "doses")):
        course = found["minimal_course"][name]
        assert course["unit"] == unit
        assert course["value"] is None or isinstance(course["value"], int)
    assert found["varied"][0]["name"] == "stress"
    assert_captioned(Path("out"))
    assert Path("out/vary-stress.csv").exists()
    assert "0 to 0.1" not in Path("out/bifurcation-stress.caption.md").read_text()


def assert_captioned(folder: Path) -> None:
    """Every figure has a caption with n, seed, model and inputs."""
    figures = list(folder.glob("*.png"))
    assert figures
    for figure in figures:
        told = figure.with_suffix("").with_suffix(".caption.md").read_text()
        for key in ("axes: ", "n: ", "seed: ", "of: ", "model: ", "inputs: "):
            assert f"* {key}" in told, (figure.name, key)


def test_survival_and_crossover_tell_what_was_left_out(unstuck: Unstuck, compared: Compared) -> None:
    found = unstuck("survival", compared.folder, "--json", "--out", "s").json
    assert found["against"] == "untreated"
    assert found["left_out"]["failed"] == 0
    assert "0 runs failed" in unstuck("survival", compared.folder, "--out", "t").out
    crossed = unstuck("crossover", compared.folder, "--json", "--out", "c").json
    assert set(crossed) == {"patients", "responders", "overlap", "features", "left_out"}
    assert Path("c/recovery.csv").exists()
    for folder in ("s", "c"):
        assert_captioned(Path(folder))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("dose-response", "ampa:potentiate"), "title: ampa potentiate"),
        (("dose-response", "ssri-like", "--with", "ketamine-like"), "unstuck sweep ketamine-dose-on-ssri"),
        (("landscape", "--escape-runs=4"), "questions.escape.escape_times"),
        (("landscape", "--vary", "taul", "0", "10"), "taul = 0 is not allowed"),
        (("landscape", "--vary", "kc", "1", "0"), "the first number must be the smaller one"),
    ],
)
def test_what_makes_no_sense_ends_with_a_message_and_code_2(
    unstuck: Unstuck, arguments: tuple[str, ...], told: str
) -> None:
    done = unstuck(*arguments)
    assert done.code == 2
    assert told in done.err


def test_every_colour_comes_with_its_own_line_style_and_no_pair_comes_back_before_81_arms() -> None:
    assert len(set(DASHES)) == len(PALETTE) == len(DASHES)
    looks = [look(position) for position in range(81)]
    assert len({(one["color"], one["linestyle"]) for one in looks}) == 81
    assert len({one["linestyle"] for one in looks[:9]}) == 9
