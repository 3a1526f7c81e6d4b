"""Figures: colours that all can tell apart, patients in one order, every treatment as it was given."""

from itertools import combinations
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from command_line import Compared
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from unstuck.files.treatment import circuit_for
from unstuck.state import Floats
from unstuck_analysis.circuit_figures import (
    circuit_figure,
    discs_of,
    fixed_links,
    region_strengths,
)
from unstuck_analysis.compare import Comparison, compare, comparison_of, run
from unstuck_analysis.figures import patient_figure, recovery_figure, regions_figure, shelf_figure
from unstuck_analysis.output.style import PALETTE, figure_bytes, looks, wrapped
from unstuck_analysis.study.results import Results

# From linear RGB: as is, as a red-blind, as a green-blind reader sees it (Machado 2009, severity 1).
EYES = (
    np.eye(3),
    np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]),
    np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]),
)
TO_XYZ = np.array([[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]])


def linear(color: str) -> Floats:
    """A colour in linear RGB."""
    rgb = np.array(to_rgb(color))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(color: str, eye: Floats) -> Floats:
    """A colour in CIELAB as an eye sees it."""
    xyz = TO_XYZ @ np.clip(eye @ linear(color), 0, 1) / np.array([0.9505, 1.0, 1.0888])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def axes_of(figure: Figure) -> list[Axes]:
    """All axes, those of subfigures too."""
    return [*figure.axes, *(axes for part in figure.subfigs for axes in part.axes)]


def days(line: Line2D) -> Floats:
    """Where a line is drawn along the axis of days."""
    return np.asarray(line.get_xdata(), dtype=float)


@pytest.fixture(scope="module")
def comparison(compared: Compared) -> Comparison:
    """The comparison that a command stored."""
    return comparison_of(Results(compared.folder))


@pytest.mark.parametrize("color", PALETTE)
def test_a_name_written_in_a_colour_of_the_palette_can_be_read_on_white(color: str) -> None:
    assert 1.05 / (TO_XYZ[1] @ linear(color) + 0.05) >= 4.5


@pytest.mark.parametrize("eye", EYES, ids=["normal", "red-blind", "green-blind"])
def test_any_two_colours_of_the_palette_can_be_told_apart(eye: Floats) -> None:
    for one, other in combinations(PALETTE, 2):
        assert np.linalg.norm(lab(one, eye) - lab(other, eye)) >= 18, (one, other)


def test_a_treatment_has_the_same_colour_in_every_company() -> None:
    alone = {name: looks([name])[name] for name in ("untreated", "ssri-like", "ketamine-like", "ssre-only")}
    together = looks(["ketamine-like", "ssri-like", "ssre-only", "untreated", "tianeptine-like"])
    assert {name: together[name] for name in alone} == alone
    assert len({look["color"] for look in together.values()}) == 5


def test_more_treatments_than_colours_still_differ_in_line_style() -> None:
    styles = looks(f"treatment-{k}" for k in range(20))
    assert len({(style["color"], str(style["linestyle"])) for style in styles.values()}) == 20


def test_a_users_matplotlibrc_does_not_reach_our_figures(comparison: Comparison) -> None:
    usual = figure_bytes(regions_figure(comparison), "svg")
    with mpl.rc_context():
        style.use("dark_background")
        mpl.rcParams.update({"text.usetex": True, "font.size": 30, "axes.facecolor": "red"})
        assert figure_bytes(regions_figure(comparison), "svg") == usual
        assert mpl.rcParams["text.usetex"]


def test_a_figure_looks_the_same_whichever_format_is_drawn_first(comparison: Comparison) -> None:
    drawn = regions_figure(comparison)
    figure_bytes(drawn, "png")
    assert figure_bytes(drawn, "svg") == figure_bytes(regions_figure(comparison), "svg")


def test_a_patient_is_in_the_same_row_of_every_panel(comparison: Comparison) -> None:
    panels = [axes for axes in axes_of(recovery_figure(comparison)) if axes.images]
    rows = np.array([np.asarray(panel.images[0].get_array())[:, 84] for panel in panels[:5]])
    expected: list[Floats] = []
    for treatment in comparison.treatments:
        readings = comparison.readings(treatment.name)
        on_day = readings.loc[readings.day == 84].sort_values("patient")
        expected.append(on_day.recovery.to_numpy(dtype=float))
    order = [0, 1] if np.allclose(rows, expected, atol=1e-6) else [1, 0]
    np.testing.assert_allclose(rows, np.array(expected)[:, order], atol=1e-6)


def test_each_treatment_is_drawn_as_long_as_it_was_followed_with_its_own_endpoint(tmp_path: Path) -> None:
    drugs = "    drugs: [{drug: ssri-like, every: 1 d, for: 4 weeks}]\n"
    path = tmp_path / "four-weeks-of-a-drug-with-a-name-that-is-much-too-long-for-a-title.yaml"
    path.write_text(
        "title: Short\nextends: untreated\nfollow_up: 0 d\nendpoint_day: 28\nphases:\n"
        f"  treatment:\n    for: 4 weeks\n{drugs}  wash-out: {{for: 1 d}}\n"
    )
    comparison = compare(["untreated", str(path)], patients=1, neurons=100)
    lines, strip, *panels = axes_of(recovery_figure(comparison))
    ends = sorted(days(line)[-1] for line in lines.get_lines() if len(days(line)) > 2)
    assert ends == [29, 168]
    circles = sorted(days(line)[0] for line in lines.get_lines() if line.get_marker() == "o")
    assert circles == [28, 84]
    (bar,) = strip.get_lines()
    assert list(days(bar)) == [0, 28]
    assert list(panels[1].get_xticks()) == [0, 28, 29]
    assert "recovered, day 28" in panels[1].get_xlabel()
    assert max(map(len, panels[1].get_title(loc="left").splitlines())) <= 22
    titles = [axes.get_title(loc="left") for axes in circuit_figure(comparison).axes]
    assert any(" ".join(title.split()).endswith("day 28") for title in titles)


def test_the_figure_of_one_patient_is_not_scaled_to_noise_and_marks_every_dose() -> None:
    *panels, doses = patient_figure(run("ketamine-like-six", neurons=0)).axes
    for panel in panels:
        low, high = panel.get_ylim()
        assert high - low >= 0.499
    (marks,) = doses.get_lines()
    assert len(days(marks)) == 6


def test_the_figure_by_class_has_one_panel_per_class(comparison: Comparison) -> None:
    titles = [axes.get_title(loc="left") for axes in axes_of(shelf_figure(comparison)) if axes.axison]
    assert len(titles) == len(set(titles)) >= 3


def test_a_long_word_in_a_title_is_broken() -> None:
    assert max(map(len, wrapped("x" * 100, 22).splitlines())) == 22


def test_the_loop_of_the_ocd_circuit_is_closed_in_its_picture() -> None:
    circuit, _ = circuit_for("ocd")
    fixed, changing = fixed_links(circuit), region_strengths(circuit, pd.Series(dtype=float))
    assert [label for label, _ in discs_of(circuit).values()] == [
        "OFC",
        "ACC",
        "D1",
        "D2",
        "GPe",
        "GPi",
        "TH",
        "DRN",
    ]
    for link in (("D1", "GPi", True), ("D2", "GPe", True), ("GPe", "GPi", True), ("GPi", "TH_P", True)):
        assert link in fixed
    assert {("OFC_P", "D1", False), ("TH_P", "OFC_P", False), ("ACC_P", "D2", False)} <= set(changing)


def test_a_region_of_interneurons_alone_is_drawn() -> None:
    circuit, _ = circuit_for("default")
    kept = {name: p for name, p in circuit.populations.items() if name != "AMY_P"}
    assert "AMY_I" in discs_of(circuit.model_copy(update={"populations": kept}))


def test_a_picture_has_a_panel_per_state_and_one_line_for_the_key() -> None:
    comparison = compare(["untreated", "ssri-two-weeks"], patients=2, neurons=0, circuit="ocd")
    *panels, key, _ = circuit_figure(comparison).axes
    assert len(panels) == 4
    assert "fixed connection" in " ".join(text.get_text() for text in key.texts)
    heights = [axes.get_position().height for axes in (panels[0], key)]
    assert heights[0] > 3 * heights[1]
