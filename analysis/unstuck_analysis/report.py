"""Self-contained HTML reports: one file with tables, figures, settings and limits, that can be mailed."""

import base64
import json
import platform
import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from matplotlib.figure import Figure
from unstuck.files.find import cohort_path
from unstuck.files.treatment import Treatment
from unstuck.parameters import default_parameters, shipped_parameter_file
from unstuck.patient.draw import read_cohort

from unstuck_analysis import figures
from unstuck_analysis.compare import Comparison, patient_summary, summary, summary_table
from unstuck_analysis.defaults import UNTREATED
from unstuck_analysis.output.export import write_table
from unstuck_analysis.output.files import write_whole
from unstuck_analysis.output.provenance import git_state, model_version, named_file, processor
from unstuck_analysis.output.style import PALETTE, figure_bytes, save_figure
from unstuck_analysis.output.terminal import patient_text, summary_text
from unstuck_analysis.output.words import dosing_notes_on, notes_on
from unstuck_analysis.study.run import ACCURACY

LIMITS = [
    "Rates are averages over seconds: there are no spikes, no oscillations and no sleep.",
    "There is no dopamine and no noradrenaline; glia, sex, age and genes are absent.",
    "Only ratios of serotonin to health mean something: methods that measure it differ 10 to 100 fold.",
    "Many parameters were fitted to group averages; several sets would fit as well.",
    "The patients are draws around one parameter set, not a sample of people.",
]
LARGEST_SVG = 500_000  # bytes, of a figure in a report
NO_PLACEBO = (
    "No placebo response is modelled. In trials 35 to 40 % of patients respond to placebo (Furukawa 2016), so"
    " shares here are not comparable with raw response rates; compare differences from untreated."
)
_PACKAGES = ("numpy", "numba", "mesa", "networkx", "pandas", "pydantic", "matplotlib")


@dataclass(frozen=True)
class Table:
    """A table of texts; colors, one a row, draw a swatch before the first cell."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    colors: Sequence[str] = ()


@dataclass(frozen=True)
class Section:
    """One heading of a report with the text and tables under it."""

    heading: str
    text: str = ""
    table: Table | None = None
    image: str = ""
    alt: str = ""
    caption: str = ""
    notes: Sequence[str] = field(default_factory=list)
    code: str = ""


def html(title: str, question: str, sections: Sequence[Section]) -> str:
    """The report as one HTML file without any outside reference."""
    return _template().render(title=title, question=question, sections=sections)


@cache
def _template() -> jinja2.Template:
    source = (files("unstuck_analysis") / "report.html.j2").read_text(encoding="utf-8")
    return jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)


def inline_image(figure: Figure) -> str:
    """A figure as a data URI: SVG, or PNG where years of readings make the SVG large."""
    drawn, kind = figure_bytes(figure, "svg"), "svg+xml"
    if len(drawn) > LARGEST_SVG:
        drawn, kind = figure_bytes(figure, "png"), "png"
    return f"data:image/{kind};base64,{base64.b64encode(drawn).decode()}"


def figure_section(heading: str, figure: Figure, alt: str, caption: str) -> Section:
    """A section that is one figure."""
    return Section(heading, image=inline_image(figure), alt=alt, caption=caption)


def comparison_report(comparison: Comparison, command: str) -> str:
    """The report of `unstuck compare`."""
    treatments = [treatment.file.title for treatment in comparison.treatments]
    stuck = len(comparison.arm(comparison.treatments[0].name))
    same = "" if comparison.starts_elsewhere else " from the very same state"
    question = (
        f"{comparison.patients} virtual patients, each a network of {comparison.neurons} neurons with"
        f" parameters of its own, were stressed and left to rest. {stuck} of them stayed stuck. Each stuck"
        f" patient then went through every treatment{same}: {'; '.join(treatments)}."
    )
    sections = [
        Section("Results", table=summary_rows(comparison), notes=reading_help(comparison)),
        figure_section(
            "Recovery",
            figures.recovery_figure(comparison),
            "Recovery index over days by treatment",
            "R is the share of lost connectivity that has returned: 0 stuck, 1 healthy. Lines: mean over the"
            " stuck patients; bands: 95 % bootstrap interval of the mean. Stripes: every single patient, "
            "best on top.",
        ),
        figure_section(
            "The circuit",
            figures.circuit_figure(comparison),
            "The circuit healthy, stuck and after every treatment",
            "Mean over the stuck patients. The width of a band is proportional to the strength of the"
            " connection; pale where strength was lost.",
        ),
        figure_section(
            "Serotonin",
            figures.serotonin_figure(comparison),
            "Serotonin by region over days",
            "Ratio to health, logarithmic. The stuck state is no serotonin deficit: untreated patients stay"
            " near 1.",
        ),
        figure_section(
            "BDNF", figures.bdnf_figure(comparison), "BDNF by region over days", "Mean and 95 % interval."
        ),
        figure_section(
            "Firing",
            figures.firing_figure(comparison),
            "Firing by region over days",
            "Mean and 95 % interval.",
        ),
        figure_section(
            "Scar",
            figures.scar_figure(comparison),
            "Scar by region over days",
            "Lasting repression of BDNF synthesis: 0 none, 1 full. It keeps the circuit stuck and heals where"
            " TrkB signals.",
        ),
        Section("Notes on the drugs", notes=[*drug_notes(comparison), NO_PLACEBO]),
        Section("Limits of the model", notes=LIMITS),
        Section("Settings", table=settings(comparison)),
        Section("To reproduce", code=command),
    ]
    return html("Unstuck: recovery of one stuck circuit under several treatments", question, sections)


def summary_rows(comparison: Comparison) -> Table:
    """The summary for reading: one row a treatment."""
    columns = [
        "treatment",
        "stuck patients",
        "median onset (days)",
        f"recovered on {comparison.endpoint}",
        "remitted",
        "relapsed of those with an onset",
        "still recovered 12 weeks after the drug",
        f"{comparison.overactive_region} firing (healthy = 1)",
        f"R on day 84, minus {comparison.treatments[0].name} (95 %)",
    ]
    rows = [
        [
            arm["treatment"],
            str(arm["patients"]),
            "not reached" if arm["onset_day_median"] is None else f"{arm['onset_day_median']:.1f}",
            _percent(arm["recovered_share"]),
            _percent(arm["remitted_share"]),
            _percent(arm["relapsed_share"]),
            _percent(arm["still_recovered_share"]),
            "-" if arm["overactive_activity"] is None else f"{arm['overactive_activity']:.2f}",
            _interval(arm["difference"]),
        ]
        for arm in summary(comparison)["arms"]
    ]
    colors = [PALETTE[k % len(PALETTE)] for k in range(len(rows))]
    return Table(columns, rows, colors)


def reading_help(comparison: Comparison) -> list[str]:
    """How to read the summary table, and who is not in it."""
    first = comparison.treatments[0].name
    return [
        *start_notes(comparison),
        "Onset: first day with a recovery index R of at least 0.5. Recovered: R at least 0.5; remitted: 0.8.",
        "Still recovered: R of at least 0.5 twelve weeks after every effect of the drug fell below 1 % of"
        " its peak, as a share of all stuck patients followed until then (n/a: none was).",
        f"A recovered circuit with {comparison.overactive_region} firing above about 1.1 is not recovery.",
        "Differences are paired: every patient who is stuck under both treatments is compared with itself"
        f" under {first}.",
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
    who = f"patient{'s' if len(patients) > 1 else ''} {', '.join(map(str, patients))}"
    return f"Never stuck{where}, counted and left out: {who}."


def drug_notes(comparison: Comparison) -> list[str]:
    """What of the drugs is outside the model, doses that may be a slip, and treatments that are equal."""
    notes = notes_on({t.file.title: t.drugs.values() for t in comparison.treatments}, limits=True)
    return [*dosing_notes_on((t.file, t.drugs) for t in comparison.treatments), *notes]


def settings(comparison: Comparison) -> Table:
    """Everything that decided the numbers: sizes, tolerances, parameters, files with hashes, versions."""
    cohort, parameters = cohort_path(), shipped_parameter_file()
    origins = Counter(record.origin for record in default_parameters().records.values())
    counts = "; ".join(f"{number} {origin}" for origin, number in origins.most_common())
    accuracy = f"slow state {ACCURACY.slow:g} a step, firing {ACCURACY.firing:g} (healthy = 1)"
    rows = [
        ["patients", str(comparison.patients)],
        ["neurons per patient", str(comparison.neurons)],
        ["tolerances", accuracy],
        ["parameters", f"{named_file(parameters)}: {counts}"],
        ["cohort", f"{named_file(cohort)}: {read_cohort(cohort).title}"],
    ]
    rows += [["file", source] for source in comparison.sources]
    return Table(["what", "value"], [*rows, *provenance(comparison.seed).rows])


def provenance(seed: int) -> Table:
    """Versions, machine and seed."""
    rows = [
        ["unstuck", model_version()],
        ["git", git_state()],
        ["seed", str(seed)],
        ["Python", sys.version.split()[0]],
        ["platform", platform.platform()],
        ["processor", processor()],
        *[[name, metadata.version(name)] for name in _PACKAGES],
    ]
    return Table(["what", "value"], rows)


def _percent(share: float | None) -> str:
    return "n/a" if share is None else f"{100 * share:.0f} %"


def _interval(difference: dict[str, float | None]) -> str:
    if difference["mean"] is None:
        return "-"
    return f"{difference['mean']:+.2f} ({difference['low']:+.2f} to {difference['high']:+.2f})"


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
    options: Mapping[str, int]
    opens = "report.html"
    next_step = "unstuck survival {folder}"
    files = COMPARISON_FILES

    @property
    def notes(self) -> list[str]:
        """Who was left out, what of the drugs is outside the model, how not to read the shares."""
        return [*start_notes(self.comparison), *drug_notes(self.comparison), NO_PLACEBO]

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
        figure = figures.recovery_figure(self.comparison)
        save_figure(figure, folder / "recovery.png")
        save_figure(figure, folder / "recovery.svg")
        write_whole(folder / self.opens, comparison_report(self.comparison, command).encode())
        return list(self.files)


@dataclass(frozen=True)
class PatientAnswer:
    """What `unstuck run` prints and writes."""

    comparison: Comparison
    patient: int
    folder: Path
    opens = "patient.png"
    files = PATIENT_FILES

    @property
    def treatment(self) -> Treatment:
        """The treatment of the patient."""
        return self.comparison.treatments[0]

    @property
    def next_step(self) -> str:
        """Compare what was run with no treatment."""
        return f"unstuck compare {UNTREATED} {shlex.quote(self.treatment.name)} --seed {self.comparison.seed}"

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
        save_figure(figures.patient_figure(self.comparison), folder / self.opens)
        return list(self.files)
