"""What acts is tabulated: exact at jumps, within a hundred-millionth between them."""

import numpy as np
import pytest
from protocols import Held
from reference import PROTOCOLS
from unstuck.engine.acting import Acting, set_acting, swinging_step, tabulate
from unstuck.engine.settle import FIELDS
from unstuck.state import Floats
from unstuck.targets import NO_EFFECT, Effects


def looked_up(table: Acting, time_h: float) -> Floats:
    """Rows (ends of a swing, columns) of a table at a time."""
    rows = np.empty(table.rows.shape[2:])
    cell = min(int(np.searchsorted(table.edges_h, time_h, "right")) - 1, len(table.rows) - 1)
    # The same function as the engine uses, before it is compiled.
    set_acting.py_func(table, cell, time_h, rows)  # pyright: ignore[reportFunctionMemberAccess]
    return rows


@pytest.mark.parametrize("name", ["ssri-84d", "tianeptine-84d", "ketamine-6", "psilocybin-1"])
def test_a_table_agrees_with_what_acts_at_any_time(name: str) -> None:
    exposure = PROTOCOLS[name][1]
    end_h = 100 * 24.0
    table = tabulate(exposure, [0.0, *exposure.jumps_h, end_h])
    times_h = np.sort(np.random.default_rng(1).uniform(0.0, end_h, 2_000))
    expected, _ = exposure.at_times(times_h)
    found = np.array([looked_up(table, hour)[0, :FIELDS] for hour in times_h.tolist()])
    assert np.abs(found - expected).max() < 3e-8


def test_a_table_is_exact_on_both_sides_of_a_jump() -> None:
    exposure = Held(2, Effects(ampa=0.1), {24.0: Effects(ampa=0.3), 48.0: NO_EFFECT})
    table = tabulate(exposure, [0.0, 24.0, 48.0, 96.0])
    assert table.edges_h.tolist() == [0.0, 24.0, 48.0, 96.0]
    column = Effects._fields.index("ampa")
    seen = [looked_up(table, hour)[0, column] for hour in (0.0, 24.0 - 1e-9, 24.0, 47.0, 48.0, 95.0)]
    np.testing.assert_allclose(seen, [0.1, 0.1, 0.3, 0.3, 0.0, 0.0], rtol=0, atol=1e-15)


def test_a_swinging_step_is_exact_at_its_stages() -> None:
    class Swinging(Held):
        swings = True

        def swing(self, time_h: float) -> tuple[float, tuple[Effects, Floats], tuple[Effects, Floats]]:
            none = np.zeros(self.regions)
            return 0.01 * time_h, (Effects(ampa=time_h), none), (Effects(ampa=-time_h), none)

    table = swinging_step(Swinging(1), 6.0, 3.0)
    column = Effects._fields.index("ampa")
    for hour in (6.0, 7.0, 8.0):
        np.testing.assert_allclose(looked_up(table, hour)[:, column], [hour, -hour], rtol=1e-13)
