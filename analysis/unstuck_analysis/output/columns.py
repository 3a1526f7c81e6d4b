"""Columns of tables: names of letters, digits and underscores (for SPSS, Stata and R), units and meanings."""

import re

RENAMED = {"responded": "recovered", "escaped": "still_recovered", "held_days": "recovered_days"}


def column_name(text: str) -> str:
    """A name as a column has it: `strength_mPFC_P > HPC_P` becomes `strength_mPFC_P_to_HPC_P`."""
    return re.sub(r"\W+", "_", text.replace(" > ", "_to_")).strip("_")


def current_name(column: str) -> str:
    """The present name of a column of stored results."""
    return RENAMED.get(column) or column_name(column)


def refuse_old_name(name: str) -> None:
    """ValueError with the new name, for a column that is called otherwise now."""
    if (now := current_name(name)) != name:
        raise ValueError(f"{name} is now called {now}; write {now}")


_R = "recovery index R (0 stuck, 1 healthy)"
COLUMNS: dict[str, tuple[str, str]] = {  # unit and meaning
    "run_id": ("", "name of the run, made of all that it reads"),
    "point": ("", "number of the point of the study"),
    "treatment": ("", "treatment file"),
    "seed": ("", "seed of all random streams"),
    "patient": ("", "number of the virtual patient"),
    "status": ("", "done or failed"),
    "error": ("", "why the run failed"),
    "versions": ("", "versions of the model and its libraries that made the row"),
    "day": ("d", "days since day 0, when treatment starts"),
    "not_stuck": ("", "connectivity on day 0 is above 0.85: the patient did not become stuck"),
    "connectivity_stuck": ("healthy = 1", "connectivity on day 0"),
    "onset_day": ("d", "first day with R of at least 0.5"),
    "recovered_days": ("d", "days with R of at least 0.5 in all"),
    "recovery_endpoint": ("", f"{_R} at the endpoint"),
    "structural_recovery_endpoint": ("", "recovery index of structural connectivity at the endpoint"),
    "functional_recovery_endpoint": ("", "recovery index of functional connectivity at the endpoint"),
    "recovered": ("", "R of at least 0.5 at the endpoint"),
    "remitted": ("", "R of at least 0.8 at the endpoint"),
    "relapse_day": ("d", "first of two days with R below 0.5 after the onset"),
    "relapsed": ("", "relapsed within the follow-up"),
    "durability_days": ("d", "days from the last dose to the relapse or the end of the follow-up"),
    "durability_censored": ("", "durability ends with the follow-up, not with a relapse"),
    "last_dose_day": ("d", "day of the last dose"),
    "drug_gone_day": ("d", "day on which every effect of the drugs is below 1 % of its peak"),
    "still_recovered": ("", "R of at least 0.5 twelve weeks after the drug is gone"),
    "overactive_activity_endpoint": ("healthy = 1", "firing of the overactive population at the endpoint"),
    "followed_days": ("d", "days from day 0 to the end of the follow-up"),
    "conditions_met": ("", "number of conditions (when, stop_when) that applied"),
    "condition_day": ("d", "day of the first condition that applied"),
    "steps": ("", "steps of the solver"),
    "rejected_steps": ("", "steps that the solver repeated with a smaller length"),
    "sweeps": ("", "iterations until firing had settled"),
    "fallbacks": ("", "times that firing settled only by smaller moves"),
    "recovery": ("", _R),
    "connectivity": ("healthy = 1", "mean strength of the plastic connections"),
    "structural_recovery": ("", "recovery index of structural connectivity"),
    "functional_recovery": ("", "recovery index of functional connectivity"),
    "labile_share": ("", "share of the strength that is labile"),
    "autoreceptor_sensitivity": ("healthy = 1", "sensitivity of 5-HT1A autoreceptors"),
    "exposure": ("median = 1", "drawn factor on the concentration of reuptake inhibitors"),
    "stress_days": ("d", "drawn length of the stress"),
    "bdnf_genotype": ("", "drawn variant of the BDNF gene"),
}
_FAMILIES: dict[str, tuple[str, str]] = {  # by the first word of the name
    "serotonin": ("healthy = 1", "extracellular serotonin in {}"),
    "activity": ("healthy = 1", "firing rate of {}"),
    "bdnf": ("healthy = 1", "BDNF supply of {}"),
    "trkb": ("healthy = 1", "TrkB signalling in {}"),
    "scar": ("healthy = 0", "lasting repression of BDNF synthesis in {}"),
    "strength": ("healthy = 1", "strength of the connection {}"),
    "factor": ("median = 1", "drawn factor on parameter {}"),
}


def described(column: str) -> tuple[str, str]:
    """Unit and meaning of a column; empty texts where only its name is known."""
    family, _, of = column.partition("_")
    unit, meaning = COLUMNS.get(column) or _FAMILIES.get(family, ("", ""))
    return unit, meaning.format(of.replace("_to_", " to "))
