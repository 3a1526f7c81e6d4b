"""Columns of tables: names of letters, digits and underscores (for SPSS, Stata and R), units and meanings."""

import re


def column_name(text: str) -> str:
    """A text as the name of a column: `strength_mPFC_P > HPC_P` becomes `strength_mPFC_P_to_HPC_P`."""
    return re.sub(r"\W+", "_", text.replace(" > ", "_to_")).strip("_")


COLUMNS: dict[str, tuple[str, str]] = {  # unit and meaning
    "run_id": ("", "Name of the run, made of all that it reads"),
    "point": ("", "Number of the point of the study"),
    "treatment": ("", "Name of the treatment"),
    "seed": ("", "Seed of all random streams"),
    "patient": ("", "Number of the patient"),
    "status": ("", "done or failed"),
    "error": ("", "Why the run failed"),
    "versions": ("", "Versions of the model and its libraries, where rows have several"),
    "not_stuck": ("", "The patient did not become stuck; recovery is not defined"),
    "connectivity_stuck": ("healthy = 1", "Connectivity C, or another primary readout, on day 0"),
    "onset_day": ("d", "First day with R of at least 0.5"),
    "recovered_days": ("d", "Days with R of at least 0.5"),
    "recovery_endpoint": ("", "R at the endpoint"),
    "structural_recovery_endpoint": ("", "Recovery of consolidated strength at the endpoint"),
    "recovered": ("", "R is at least 0.5 at the endpoint"),
    "remitted": ("", "R is at least 0.8 at the endpoint"),
    "relapse_day": ("d", "After an onset, the first day of two with R below 0.5"),
    "relapsed": ("", "The patient relapsed"),
    "durability_days": ("d", "Days from the last dose to the relapse or the end"),
    "durability_censored": ("", "The patient had not relapsed when the follow-up ended"),
    "last_dose_day": ("d", "Day of the last dose"),
    "drug_gone_day": ("d", "Day on which the last drug has left the body"),
    "still_recovered": ("", "R is at least 0.5 twelve weeks after the drug has left the body"),
    "functional_recovery_endpoint": ("", "Recovery of firing in the forebrain at the endpoint"),
    "overactive_activity_endpoint": (
        "healthy = 1",
        "Firing of the overactive region at the endpoint",
    ),
    "followed_days": ("d", "Days for which the patient was followed"),
    "conditions_met": ("", "Number of conditions (when and stop_when) that were met"),
    "condition_day": ("d", "Day of the first condition that was met"),
    "steps": ("", "Steps of the solver"),
    "rejected_steps": ("", "Steps that the solver repeated with a shorter length"),
    "sweeps": ("", "Evaluations of the firing equations"),
    "fallbacks": ("", "Times at which the slower solver of the firing equations was needed"),
    "day": ("d", "Day of the reading"),
    "recovery": ("", "Recovery R: 0 is stuck, 1 is healthy"),
    "connectivity": ("healthy = 1", "Connectivity C, or another primary readout of the circuit"),
    "structural_recovery": ("", "Recovery of consolidated strength"),
    "functional_recovery": ("", "Recovery of firing in the forebrain"),
    "labile_share": ("", "Share of the strength that is labile"),
    "autoreceptor_sensitivity": ("healthy = 1", "Sensitivity of the 5-HT1A autoreceptors"),
    "exposure": ("median = 1", "Drawn factor on the occupancy of the serotonin transporter"),
    "stress_days": ("d", "Drawn length of the stress"),
    "bdnf_genotype": ("", "Drawn variant of the BDNF gene"),
}
FAMILIES: dict[str, tuple[str, str, str]] = {  # by first word: the rest, unit, meaning
    "serotonin": ("REGION", "healthy = 1", "Extracellular serotonin"),
    "noradrenaline": ("REGION", "healthy = 1", "Extracellular noradrenaline, where a circuit has it"),
    "activity": ("POPULATION", "healthy = 1", "Mean firing"),
    "bdnf": ("POPULATION", "healthy = 1", "BDNF supply"),
    "trkb": ("POPULATION", "healthy = 1", "TrkB signalling"),
    "scar": ("POPULATION", "0 to 1", "Repression of BDNF synthesis"),
    "strength": ("PROJECTION", "healthy = 1", "Mean strength of a plastic projection"),
    "factor": ("SYMBOL", "median = 1", "Drawn factor on a parameter of the model"),
}


def described(column: str) -> tuple[str, str]:
    """Unit and meaning of a column; empty texts where only its name is known."""
    family, _, of = column.partition("_")
    if column in COLUMNS or family not in FAMILIES:
        return COLUMNS.get(column, ("", ""))
    _, unit, meaning = FAMILIES[family]
    return unit, f"{meaning}: {of}"
