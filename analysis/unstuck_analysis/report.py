"""Self-contained HTML reports: one file with tables, figures, settings and limits, that can be mailed."""

import json
import platform
import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from math import isfinite
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from unstuck.files.circuit import CircuitFile
from unstuck.files.find import cohort_path
from unstuck.files.treatment import Treatment
from unstuck.parameters import default_parameters, shipped_parameter_file
from unstuck.patient.draw import read_cohort

from unstuck_analysis.circuit_figures import circuit_figure, circuit_states, region_strengths
from unstuck_analysis.compare import Comparison, patient_summary, summary, summary_table
from unstuck_analysis.defaults import UNTREATED
from unstuck_analysis.figures import patient_figure, recovery_figure, region_columns, regions_figure
from unstuck_analysis.output import page
from unstuck_analysis.output.export import write_table
from unstuck_analysis.output.files import write_whole
from unstuck_analysis.output.provenance import git_state, model_version, named_file, processor
from unstuck_analysis.output.style import looks, save_figure
from unstuck_analysis.output.table import Column, Table, plural
from unstuck_analysis.output.terminal import FEW_PATIENTS, format_interval, patient_text, summary_text
from unstuck_analysis.output.words import dosing_notes_on, notes_on
from unstuck_analysis.study.run import ACCURACY

_PACKAGES = ("numpy", "numba", "mesa", "networkx", "pandas", "pydantic", "matplotlib")


def comparison_report(comparison: Comparison, command: str, recovery: Figure) -> str:
    """The report of `unstuck compare`, with the figure of recovery: one page that needs nothing else."""
    parts = [page.heading("Results"), summary_rows(comparison).html(), page.bullets(reading_help(comparison))]
    for title, figure, (caption, result) in (
        ("Recovery", recovery, recovery_words(comparison)),
        ("The circuit", circuit_figure(comparison), circuit_words(comparison)),
        ("The regions", regions_figure(comparison), region_words(comparison)),
    ):
        parts += [page.heading(title), page.picture(figure, f"{result} {caption}", result)]
    notes = page.bullets([*drug_notes(comparison), page.NO_PLACEBO])
    parts += [page.heading("Notes on the drugs"), notes]
    parts += [page.heading("Limits of the model"), page.bullets(page.LIMITS)]
    parts += [
        page.fold("Words used here", words_of(comparison.circuit)),
        page.fold("Settings", settings(comparison)),
    ]
    parts += [page.heading("To reproduce"), page.code(command)]
    return page.page(
        "Unstuck: recovery of stuck patients under several treatments", question(comparison), parts
    )


def question(comparison: Comparison) -> str:
    """What was simulated, in three sentences."""
    first = comparison.treatments[0].name
    same = "" if comparison.starts_elsewhere else ", from the very same state"
    titles = "; ".join(treatment.file.title for treatment in comparison.treatments)
    size = f"{comparison.neurons} neurons" if comparison.neurons else "average neurons (mean-field)"
    return (
        f"{plural(comparison.patients, 'virtual patient')}, each a circuit of {size} with parameters of"
        f" its own, had stress and then rest. {len(comparison.arm(first))} became stuck. Each stuck"
        f" patient then got every treatment{same}: {titles}."
    )


def recovery_words(comparison: Comparison) -> tuple[str, str]:
    """Caption and result of the figure of recovery."""
    ends = [(t.name, comparison.arm(t.name).recovery_endpoint.mean()) for t in comparison.treatments]
    known = ", ".join(f"{name} {mean:.2f}" for name, mean in ends if isfinite(mean))
    return (
        f"{recovery_meaning(comparison.circuit)} Bands are 95 % bootstrap intervals of the mean. Below,"
        " every row is one patient, in the same order"
        " in every panel.",
        f"Mean recovery R on {comparison.endpoint}: {known or 'no patient was stuck'}.",
    )


def recovery_meaning(circuit: CircuitFile) -> str:
    """What R is, in one sentence."""
    name, readout = circuit.readout_name, circuit.readout
    if readout.kind == "strength" and readout.ill_when == "weaker":
        return "R is the share of lost connection strength that has returned: 0 is stuck, 1 is healthy."
    return (
        f"R is read from {name}, the mean {readout.kind} of {', '.join(readout.of)}, which is"
        f" {readout.ill_when}"
        " in illness: 0 is stuck, 1 is healthy."
    )


def words_of(circuit: CircuitFile) -> dict[str, str]:
    """The words used in a report, with the circuit's own readouts."""
    if not circuit.readouts:
        return page.WORDS
    name, readout = circuit.readout_name, circuit.readout
    side = "at most" if readout.ill_when == "weaker" else "at least"
    own = {
        "stuck": f"A patient is stuck if {name} is {side} {readout.limit:g} on day 0, sixty days after the"
        " end of"
        " the stress.",
        "recovery R": f"{recovery_meaning(circuit)} R is not a symptom score.",
    }
    others = {key: text for key, text in page.WORDS.items() if key != "connectivity C"}
    readouts = {
        f"{key} (readout)": f"Mean {each.kind} of {', '.join(each.of)}, {each.ill_when} in illness (1 is"
        " healthy)."
        for key, each in circuit.all_readouts.items()
    }
    if readout.kind == "activity":
        own["relapsed"] = (
            "Recovered once, later below 0.3 on 28 days in a row. Outcomes are read from the mean R of 7"
            " days."
        )
    return {**others, **own, **readouts}


def circuit_words(comparison: Comparison) -> tuple[str, str]:
    """Caption and result of the figure of the circuit."""
    states = {
        title: region_strengths(comparison.circuit, state).values()
        for title, state in circuit_states(comparison).items()
        if len(state)
    }
    means = ", ".join(f"{title} {100 * sum(found) / len(found):.0f} %" for title, found in states.items())
    return (
        "Mean over the stuck patients. Numbers: strength of each connection, in per cent of health.",
        f"Mean strength of the connections, in per cent of health: {means or 'no patient was stuck'}.",
    )


REGIONS = (
    "Bands are 95 % bootstrap intervals of the mean; thin lines have none. BDNF supply and firing are those"
    " of principal cells (of serotonergic cells in the raphe). The axis of serotonin is logarithmic. In rats,"
    " an SSRI raises serotonin in the cortex to 2.8 to 4.3 times health within two weeks (Ceglia 2004), and"
    " most in the raphe (Invernizzi 1992). BDNF supply returns as the scar heals. Chronic stress lowers BDNF"
    " in the hippocampus of rats, and four weeks of venlafaxine restore it (10.37212/jcnos.426634; the"
    " direction only). Stress leaves an overactive amygdala in animals too (Vyas 2004). In rats, an SSRI"
    " lowers the firing of the raphe for days, and it is back to baseline within three weeks (Chaput 1986)."
)


def region_words(comparison: Comparison) -> tuple[str, str]:
    """Caption and result of the figure of the regions: the extremes on day 0, and the highest mean."""
    found = [
        f"{what[0].upper()}{what[1:]}: {_extremes(comparison, columns)}."
        for what, columns in region_columns(comparison).items()
    ]
    return REGIONS, " ".join(found)


def _extremes(comparison: Comparison, columns: Mapping[str, str]) -> str:
    """The lowest and highest region on day 0 under the first treatment, and the highest mean of all days."""
    regions = {column: name for name, column in columns.items()}
    stuck = pd.concat([comparison.readings(t.name) for t in comparison.treatments])
    if stuck.empty:
        return "no patient was stuck"
    found = stuck.groupby(["treatment", "day"], sort=False)[list(regions)].mean()
    means = pd.DataFrame(found).rename(columns=regions)
    start = means.to_numpy()[0]  # of the first treatment on day 0
    low, high = (means.columns[place] for place in (start.argmin(), start.argmax()))
    (treatment, day), region = means.max(axis=1).idxmax(), means.max().idxmax()  # pyright: ignore
    return (
        f"{start.min():.2f} ({low}) to {start.max():.2f} ({high}) on day 0;"
        f" highest mean {means.to_numpy().max():.2f}, in {region} on day {day:.3g} of {treatment}"
    )


def summary_rows(comparison: Comparison) -> Table:
    """The summary for reading: one row per treatment."""
    share = {"format": ".0%", "none": "n/a"}
    columns = [
        Column("treatment"),
        Column("stuck patients"),
        Column("median onset", unit="days", format=".1f", none="not reached"),
        Column(f"recovered on {comparison.endpoint}", **share),
        Column("remitted", **share),
        Column("relapsed, of those with an onset", **share),
        Column("still recovered 12 weeks after the drug", **share),
        Column(f"{comparison.overactive_region} firing", unit="healthy = 1", format=".2f"),
        Column(f"R on {comparison.endpoint}, minus {comparison.treatments[0].name}", unit="95 % interval"),
    ]
    keys = (
        "treatment",
        "patients",
        "onset_day_median",
        "recovered_share",
        "remitted_share",
        "relapsed_share",
    )
    keys += ("still_recovered_share", "overactive_activity")
    arms = summary(comparison)["arms"]
    against = ["reference", *(format_interval(arm["difference"]) for arm in arms[1:])]
    rows = [[*(arm[key] for key in keys), text] for arm, text in zip(arms, against, strict=True)]
    styles = looks(arm["treatment"] for arm in arms)
    return Table(columns, rows, colors=[style["color"] for style in styles.values()])


def reading_help(comparison: Comparison) -> list[str]:
    """How to read the summary table, and who is not in it."""
    first = comparison.treatments[0].name
    fewest = min(len(comparison.arm(treatment.name)) for treatment in comparison.treatments)
    few = f"Fewer than {FEW_PATIENTS} stuck patients: shares and intervals mean little."
    return [
        *([few] if fewest < FEW_PATIENTS else []),
        *start_notes(comparison),
        "Onset: first day with a recovery R of at least 0.5. Recovered: R at least 0.5; remitted: 0.8.",
        "Still recovered: R of at least 0.5 twelve weeks after every effect of the drug was below 1 % of"
        " its peak. It is a share of all stuck patients who were followed until then (n/a: no patient was).",
        f"If {comparison.overactive_region} firing is above about 1.1, the circuit is not healthy at any R.",
        "Differences are paired: every patient who is stuck under both treatments is compared with the same"
        f" patient under {first}.",
    ]


def start_notes(comparison: Comparison) -> list[str]:
    """Patients who were never stuck, treatments with another stuck state, and repeated runs."""
    first, elsewhere = comparison.treatments[0].name, comparison.starts_elsewhere
    notes = [_left_out(comparison.never_stuck(first), f" under {first}" if elsewhere else "")]
    notes += [_left_out(comparison.never_stuck(name), f" under {name}") for name in elsewhere]
    if elsewhere:
        notes.append(
            "Not the same stuck state under every treatment: another circuit or another way to day 0 than"
            f" {first} in {', '.join(elsewhere)}."
        )
    if fallbacks := int(comparison.outcomes.fallbacks.sum()):
        notes.append(
            f"Firing settled only by smaller moves {fallbacks} times (the solver's fallback; it did settle)."
        )
    return [note for note in notes if note]


def _left_out(patients: Sequence[int], where: str) -> str:
    if not patients:
        return ""
    who = f"Patient{'s' if len(patients) > 1 else ''} {', '.join(map(str, patients))}"
    return f"{who} did not become stuck{where}. The table leaves them out."


def drug_notes(comparison: Comparison) -> list[str]:
    """What of the drugs is outside the model, doses that may be a slip, and treatments that are equal."""
    notes = notes_on({t.file.title: t.drugs.values() for t in comparison.treatments}, limits=True)
    return [*dosing_notes_on((t.file, t.drugs) for t in comparison.treatments), *notes]


def settings(comparison: Comparison) -> dict[str, str]:
    """Everything that decided the numbers: sizes, tolerances, parameters, files with hashes, versions."""
    cohort, parameters = cohort_path(), shipped_parameter_file()
    origins = Counter(record.origin for record in default_parameters().records.values())
    counts = "; ".join(f"{number} {origin}" for origin, number in origins.most_common())
    return {
        "patients": str(comparison.patients),
        "neurons per patient": str(comparison.neurons),
        "tolerances": f"slow state {ACCURACY.slow:g} per step, firing {ACCURACY.firing:g} (healthy = 1)",
        "parameters": f"{named_file(parameters)}: {counts}",
        "cohort": f"{named_file(cohort)}: {read_cohort(cohort).title}",
        "files": "\n".join(comparison.sources),
        "seed": str(comparison.seed),
        "unstuck": model_version(),
        "git": git_state(),
        "Python": sys.version.split()[0],
        "platform": platform.platform(),
        "processor": processor(),
        **{name: metadata.version(name) for name in _PACKAGES},
    }


COMPARISON_FILES = (
    "summary.csv",
    "outcomes.parquet",
    "series.parquet",
    "patients.parquet",
    "recovery.png",
    "recovery.svg",
    "report.html",
)
PATIENT_FILES = ("series.parquet", "outcomes.csv", "patient.png")


def remove_results(folder: Path) -> None:
    """Remove the results of an earlier comparison or patient, so that none stays next to new ones."""
    for name in (*COMPARISON_FILES, *PATIENT_FILES):
        (folder / name).unlink(missing_ok=True)


@dataclass(frozen=True)
class ComparisonAnswer:
    """What `unstuck compare` prints and writes."""

    comparison: Comparison
    treatments: Sequence[str]
    options: Mapping[str, int | str]
    opens = "report.html"
    next_step = "unstuck survival {folder}"
    files = COMPARISON_FILES

    @property
    def notes(self) -> list[str]:
        """Who was left out, what of the drugs is outside the model, how not to read the shares."""
        return [*start_notes(self.comparison), *drug_notes(self.comparison), page.NO_PLACEBO]

    def terminal(self) -> str:
        """The summary, one line per treatment."""
        return summary_text(self.comparison)

    def json(self) -> str:
        """The summary as one JSON object."""
        return json.dumps(summary(self.comparison), allow_nan=False)

    def write(self, folder: Path) -> list[str]:
        """Write all files, the report last."""
        remove_results(folder)
        given = [word for key, value in self.options.items() for word in (f"--{key}", str(value))]
        command = shlex.join(["unstuck", "compare", *self.treatments, *given])
        write_whole(folder / "summary.csv", summary_table(self.comparison).to_csv(index=False).encode())
        write_table(folder / "outcomes.parquet", self.comparison.outcomes)
        write_table(folder / "series.parquet", self.comparison.series)
        write_table(folder / "patients.parquet", self.comparison.draws)
        recovery = recovery_figure(self.comparison)
        save_figure(recovery, folder / "recovery.png")
        save_figure(recovery, folder / "recovery.svg")
        write_whole(folder / self.opens, comparison_report(self.comparison, command, recovery).encode())
        return list(self.files)


@dataclass(frozen=True)
class PatientAnswer:
    """What `unstuck run` prints and writes."""

    comparison: Comparison
    patient: int
    folder: Path
    circuit: str = ""  # as it was asked for
    opens = "patient.png"
    files = PATIENT_FILES

    @property
    def treatment(self) -> Treatment:
        """The treatment of the patient."""
        return self.comparison.treatments[0]

    @property
    def next_step(self) -> str:
        """Compare what was run with no treatment."""
        other = f" --circuit {shlex.quote(self.circuit)}" if self.circuit else ""
        treatment, seed = shlex.quote(self.treatment.name), self.comparison.seed
        return f"unstuck compare {UNTREATED} {treatment} --seed {seed}{other}"

    @property
    def notes(self) -> list[str]:
        """Whether the patient never got stuck, and what of the drugs is outside the model."""
        never = "this patient did not get stuck; a comparison counts such patients and leaves them out."
        return [*([never] if self.comparison.not_stuck else []), *drug_notes(self.comparison)]

    @property
    def summary(self) -> dict[str, Any]:
        """The outcomes of the patient."""
        return patient_summary(self.comparison, self.treatment, self.patient)

    def terminal(self) -> str:
        """The outcomes in a few lines."""
        stuck = (
            None if self.comparison.not_stuck == 0 else self.comparison.outcomes.connectivity_stuck.iloc[0]
        )
        return patient_text(self.summary, self.treatment.file.title, stuck)

    def json(self) -> str:
        """The outcomes as one JSON object, with the path of the readings."""
        return json.dumps({**self.summary, "series": str(self.folder / self.files[0])}, allow_nan=False)

    def write(self, folder: Path) -> list[str]:
        """Write readings, outcomes and the figure."""
        remove_results(folder)
        write_table(folder / "series.parquet", self.comparison.series)
        write_whole(folder / "outcomes.csv", self.comparison.outcomes.to_csv(index=False).encode())
        save_figure(patient_figure(self.comparison), folder / self.opens)
        return list(self.files)
