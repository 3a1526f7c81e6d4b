"""Names of columns: letters, digits and underscores, so that SPSS, Stata and R read every table."""

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
