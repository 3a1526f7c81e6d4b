"""The reference pages: commands, keys of files, columns, drugs and parameters, read from the program itself.

`python docs/make/all.py reference` writes docs/reference/*.md, and a test compares them with the program. The
meaning of each key is in reference_pages.csv; without one the pages cannot be made.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from quick_runs import DOCS
from typer.main import get_command
from unstuck.files.circuit import (
    CircuitFile,
    OwnParameter,
    PopulationFile,
    ProjectionFile,
    ReadoutFile,
    RegionFile,
    RolesFile,
)
from unstuck.files.context import ContextFile
from unstuck.files.drug import (
    Action,
    Area,
    DrugFile,
    Hill,
    Kinetics,
    Level,
    Measured,
    Metabolite,
    Published,
    Pulse,
    Sourced,
)
from unstuck.files.find import cohort_path, read, shipped
from unstuck.files.treatment import Condition, Phase, Regimen, StressBout, TreatmentFile
from unstuck.files.yaml import Document
from unstuck.parameters import default_parameters
from unstuck.patient.draw import draw_traits, read_cohort
from unstuck.targets import TARGETS
from unstuck_analysis.commands import app
from unstuck_analysis.outcomes import Outcome, series_columns
from unstuck_analysis.output import columns as column_names
from unstuck_analysis.output.markdown import table
from unstuck_analysis.study.design import Axis
from unstuck_analysis.study.file import SeriesKept, StudyFile
from unstuck_analysis.trial.file import (
    Adherence,
    Arm,
    CrossOver,
    Endpoint,
    Entry,
    LeadIn,
    Leaving,
    Limit,
    People,
    Rating,
    Relapse,
    Rescue,
    Sequential,
    TrialFile,
    Visits,
    Withdrawal,
)

MEANINGS = Path(__file__).with_suffix(".csv")
PAGES = ("commands", "files", "columns", "drugs", "parameters")
FILES: dict[str, dict[str, type[Document]]] = {  # kind of file: place of a record in it, and its schema
    "Drug file": {
        "": DrugFile,
        "a number with a source": Sourced,
        "kinetics": Kinetics,
        "kinetics.metabolites.NAME": Metabolite,
        "kinetics.published": Published,
        "actions[]": Action,
        "actions[].hill": Hill,
        "actions[].hill.area": Area,
        "actions[].pulse": Pulse,
        "actions[].level": Level,
        "actions[].measured[]": Measured,
    },
    "Treatment file": {
        "": TreatmentFile,
        "phases.NAME": Phase,
        "phases.NAME.bouts[]": StressBout,
        "phases.NAME.drugs[]": Regimen,
        "phases.NAME.drugs[].when, .stop_when": Condition,
    },
    "Circuit file": {
        "": CircuitFile,
        "regions.NAME": RegionFile,
        "populations.NAME": PopulationFile,
        "projections.PRE > POST": ProjectionFile,
        "roles": RolesFile,
        "parameters.SYMBOL": OwnParameter,
        "readouts.NAME": ReadoutFile,
    },
    "Study file": {"": StudyFile, "vary.PATH": Axis, "series": SeriesKept},
    "Trial file": {
        "": TrialFile,
        "people": People,
        "entry": Entry,
        "arms[]": Arm,
        "visits": Visits,
        "rating": Rating,
        "adherence": Adherence,
        "leaving": Leaving,
        "rescue": Rescue,
        "endpoint": Endpoint,
        "design, cross-over": CrossOver,
        "design, placebo-lead-in": LeadIn,
        "design, randomised-withdrawal": Withdrawal,
        "design.responders[]": Limit,
        "design.relapse": Relapse,
        "design, sequential": Sequential,
    },
    "Context file": {"": ContextFile},
}
COLUMNS = """# Columns of tables

`unstuck compare` writes four tables:

* `outcomes.parquet`: one row per patient and treatment
* `series.parquet`: one row per reading
* `patients.parquet`: what was drawn for each patient
* `summary.csv`: one row per treatment

`unstuck export` writes the first two tables of a study. Days count from day 0. Undefined values are empty."""
STUDY_COLUMNS = (
    "Only the tables of a study have `run_id`, `point`, `status`, `error`, and one column per varied path."
    " `versions` is there only after `unstuck sweep --mix-versions`."
)


def meanings() -> dict[tuple[str, str], str]:
    """Meaning of each key by the name of its schema and the key."""
    with MEANINGS.open(encoding="utf-8", newline="") as file:
        return {(row["of"], row["name"]): row["meaning"] for row in csv.DictReader(file)}


def described(schema: type[Document], key: str, known: Mapping[tuple[str, str], str]) -> str:
    """What a key of a schema means; KeyError if the table of meanings does not say."""
    names = [kind.__name__.partition("[")[0] for kind in schema.__mro__]
    found = [known[name, key] for name in names if (name, key) in known]
    if not found:
        raise KeyError(f"{MEANINGS.name} has no row for the key {key} of {names[0]}")
    return found[0]


def keys_of(schema: type[Document]) -> list[str]:
    """The keys of a record as people write them."""
    return [field.alias or name for name, field in schema.model_fields.items()]


def files() -> str:
    """Every key of every kind of file."""
    known = meanings()
    parts = [
        "# Keys of files",
        "`unstuck new KIND NAME` starts a file, and `unstuck check FILE` reports every error.",
    ]
    parts.append(f"Units are listed in [edit files](../how-to/edit-files.md#units).\n\n{_targets()}")
    for kind, records in FILES.items():
        parts.append(f"## {kind}")
        for place, schema in records.items():
            parts.append(f"### {kind}: {place or 'top level'}")
            parts.append(table(("key", "if not given", "meaning"), _key_rows(schema, known)))
    return "\n\n".join(parts)


def _key_rows(schema: type[Document], known: Mapping[tuple[str, str], str]) -> Iterator[tuple[str, ...]]:
    shown: dict[str, Any] = schema.model_json_schema(mode="serialization").get("properties", {})
    for field, key in zip(schema.model_fields.values(), keys_of(schema), strict=True):
        default = shown.get(key, {}).get("default")
        absent = "needed" if field.is_required() else _default(default)
        yield f"`{key}`", absent, described(schema, key, known)


def _default(value: object) -> str:
    if value in (None, "", [], {}):
        return "-"
    return (
        f"`{str(value).lower() if isinstance(value, bool) else value}`"
        if not isinstance(value, dict)
        else "see below"
    )


def _targets() -> str:
    rows = [
        (f"`{target}`", f"`{mode}`", found.meaning)
        for target, by in TARGETS.items()
        for mode, found in by.items()
    ]
    return f"## Targets and modes of drugs\n\n{table(('target', 'mode', 'strength'), rows)}"


def commands() -> str:
    """Every command with its arguments and options."""
    group: Any = get_command(app)
    parts = [
        "# Commands",
        "`unstuck COMMAND -h` prints the same help. Exit codes: 0 done, 1 disk or run failure, 2 wrong"
        " input, 3 a study with failed or missing runs, 130 stopped by Ctrl-C.",
    ]
    panel = ""
    for name, command in group.commands.items():
        here = str(getattr(command, "rich_help_panel", ""))
        if here != panel:
            panel = here
            parts.append(f"## {panel}")
        parts.append(f"### unstuck {name}\n\n{' '.join((command.help or '').split())}")
        parts.append(f"    {(command.epilog or '').removeprefix('Example: ')}")
        rows = [
            _parameter(parameter) for parameter in command.params if not getattr(parameter, "hidden", False)
        ]
        parts.append(table(("argument or option", "if not given", "meaning"), rows))
    return "\n\n".join(parts)


def _parameter(parameter: Any) -> tuple[str, str, str]:
    name = parameter.opts[0] if parameter.param_type_name == "option" else parameter.name.upper()
    default = parameter.default
    absent = (
        "needed"
        if parameter.required
        else "-"
        if default in (None, "") or default is False or callable(default)
        else f"`{default}`"
    )
    return f"`{name}`", absent, " ".join(str(getattr(parameter, "help", "") or "").split())


def columns() -> str:
    """Every column of the tables that the program writes."""
    circuit, _ = read("circuits", "default", CircuitFile)
    outcomes = [field.name for field in fields(Outcome)]
    drawn = draw_traits(default_parameters(), read_cohort(cohort_path()), 1, 0).draws
    return "\n\n".join(
        [
            COLUMNS,
            _column_table("Outcomes", [*outcomes, "run_id", "point", "status", "error", "versions"]),
            STUDY_COLUMNS,
            _column_table("Readings over time", ["day", *series_columns(circuit)]),
            _column_table("Draws of the patients", list(drawn)),
        ]
    )


def _column_table(heading: str, names: Iterable[str]) -> str:
    """A section with the unit and meaning of columns; those of one family are one row."""
    rows: dict[str, tuple[str, str, str]] = {}
    for name in names:
        family = name.partition("_")[0]
        if name in column_names.COLUMNS or family not in column_names.FAMILIES:
            unit, meaning = column_names.COLUMNS[name]
        else:
            what, unit, meaning = column_names.FAMILIES[family]
            name = f"{family}_{what}"
        rows[name] = (f"`{name}`", unit, f"{meaning}.")
    return f"## {heading}\n\n{table(('column', 'unit', 'meaning'), list(rows.values()))}"


def drugs() -> str:
    """The catalogue: class, usual dose, actions and description of each shipped drug."""
    parts = [
        "# Catalogue of drugs",
        "`unstuck show NAME` prints kinetics, strengths and the source of each number. Results are on"
        " [what each drug is assumed to do](../drug-shelf.md).",
    ]
    rows = list[tuple[str, ...]]()
    for name in shipped("drugs"):
        drug, _ = read("drugs", name, DrugFile)
        acts = (
            ", ".join(dict.fromkeys(f"{action.target} ({action.mode})" for action in drug.actions))
            or "nothing in the model"
        )
        every = drug.usual_schedule or ("once" if not drug.usual_every else f"every {drug.usual_every:g} h")
        rows.append(
            (
                f"`{name}`",
                drug.drug_class,
                str(drug.usual_dose or "-"),
                every,
                acts,
                " ".join(drug.description.split()),
            )
        )
    parts.append(table(("drug", "class", "usual dose", "schedule", "acts on", "description"), rows))
    return "\n\n".join(parts)


def parameters() -> str:
    """Every parameter of the model, with value, range and source."""
    rows = [
        (
            f"`{one.symbol}`",
            one.meaning,
            f"{one.value:g}",
            one.unit,
            f"{one.low:g} to {one.high:g}",
            one.origin,
            one.source,
        )
        for one in default_parameters().records.values()
    ]
    fitted = sum(row[5] == "fitted" for row in rows)
    return "\n\n".join(
        [
            "# Parameters",
            f"{fitted} of the {len(rows)} parameters were fitted. They are in `scenarios/parameters.csv`."
            " A drug file names one by its symbol, and a study varies one as `model.SYMBOL`.",
            table(("symbol", "meaning", "value", "unit", "range", "origin", "source"), rows),
        ]
    )


def pages() -> dict[str, str]:
    """All pages by their name."""
    made = {
        "commands": commands,
        "files": files,
        "columns": columns,
        "drugs": drugs,
        "parameters": parameters,
    }
    return {f"reference/{name}.md": re.sub(r"\n{3,}", "\n\n", made[name]()) + "\n" for name in PAGES}


def make(workers: int) -> None:
    """Write the pages (in one process)."""
    for name, text in pages().items():
        (DOCS / name).parent.mkdir(exist_ok=True)
        (DOCS / name).write_text(text, encoding="utf-8")
