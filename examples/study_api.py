"""A study from Python: run it, look at the table, write it for another program.

    python examples/study_api.py

Workers are processes that read this file again, hence the last two lines.
"""

from pathlib import Path

from unstuck import Results, Study


def main(folder: Path = Path("results/study-api")) -> None:
    """Run the shipped study `smoke` on two processes, or finish it if it was begun."""
    study = Study.load("smoke", seed=7)
    print(f"{len(study.plan.runs())} runs over {study.plan.paths}")
    results = study.run(folder, workers=2, on_progress=lambda now: print(f"{now.left} left"))

    table = results.outcomes()  # one row a patient, point and arm
    print("units:", table.attrs["units"])
    stuck = table[~table.not_stuck]
    stress = "treatment_phases_stress_for"
    print(stuck.pivot_table(index=stress, columns="treatment", values="recovered_days").round(1))
    day_28 = results.series().query("day == 28")
    print(day_28.pivot_table(columns="treatment", values="recovery").round(2))
    results.export(folder / "outcomes.parquet")

    again = Results(folder)  # at any later time, on any machine that has the folder
    assert again.outcomes().equals(table)


if __name__ == "__main__":
    main()
