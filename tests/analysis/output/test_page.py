"""Pages: figures stay small however long patients are followed."""

import numpy as np
from matplotlib.figure import Figure
from unstuck_analysis.output.page import picture


def bands(days: int) -> Figure:
    """Six panels of daily readings."""
    figure = Figure()
    for panel in figure.subplots(2, 3).flat:
        noise = np.random.default_rng(1).standard_normal(days)
        panel.fill_between(np.arange(days), noise, noise + 1.0)
    return figure


def test_a_figure_of_60_years_of_readings_stays_small_in_a_report() -> None:
    short, long = (picture(bands(days), "", "") for days in (168, 60 * 365))
    assert "data:image/svg+xml" in short
    assert "data:image/png" in long
    assert max(len(short), len(long)) < 5e6 / 7  # a comparison has at most seven figures
