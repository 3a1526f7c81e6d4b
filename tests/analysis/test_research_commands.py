"""The research commands as typed: what --json prints, captions, and bad input."""

from pathlib import Path

import pytest
from command_line import Compared, Unstuck
from unstuck_analysis.output.style import DASHES, PALETTE, look


def test_landscape_json_holds_the_slow_manifold_and_its_figure_has_a_caption(unstuck: Unstuck) -> None:
    found = unstuck("landscape", "untreated", "ketamine-like", "--json", "--out", "out").json
    assert list(found) == ["healthy", "stuck", "scar_at_rest", "slow_manifold", "leaving", "stress"]
    assert found["healthy"] == {"scar": 0.0, "connectivity": 1.0}
    assert found["stuck"]["connectivity"] < 0.85
    assert [row["treatment"] for row in found["leaving"]] == ["untreated", "ketamine-like"]
    assert found["leaving"][1]["scar_days"] is None
    assert {row["acting"] for row in found["slow_manifold"]} >= {"untreated", "stress 1"}
    assert_captioned(Path("out"))
    assert Path("out/paths.csv").exists()


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
    assert set(crossed) == {"patients", "recovered", "overlap", "features", "left_out"}
    assert Path("c/recovery.csv").exists()
    for folder in ("s", "c"):
        assert_captioned(Path(folder))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("dose-response", "ampa:potentiate"), "title: ampa potentiate"),
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
