"""Recovery of a few patients under several treatments, by Mesa's own batch runner.

    python examples/mesa_batch.py

For a comparison with outcomes, intervals and a report, `unstuck compare` does more and is faster: it computes
each patient's way to day 0 once. This is for those who bring their own sweep.
"""

import mesa
import pandas as pd
from unstuck import CircuitModel

DAYS = 14
PARAMETERS = {
    "treatment": ["untreated", "ssri-like", "ketamine-like"],
    "neurons": 200,
    "varied": True,
    "patient": [0, 1, 2, 3],
    "rng": 1,  # the same patients in every treatment; newer Mesa overwrites a parameter called seed
}


def main() -> None:
    """Run all combinations for two weeks and print mean recovery by treatment and day."""
    rows = mesa.batch_run(
        CircuitModel, PARAMETERS, number_processes=None, data_collection_period=1, max_steps=DAYS
    )
    table = pd.DataFrame(rows).assign(day=lambda frame: frame["day"].round(3))
    print(table.pivot_table(index="day", columns="treatment", values="recovery").round(2))


if __name__ == "__main__":
    main()
