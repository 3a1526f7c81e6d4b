"""The same treatments in several illnesses: recovery of the typical patient in each circuit.

Recovery R is 0 in the patient's own stuck state and 1 in health, whether connections were lost or grew. Where
a patient recovers without treatment too, what a treatment adds is R minus that of the untreated patient.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unstuck.files.circuit import CircuitFile
from unstuck.parameters import default_parameters
from unstuck.patient.checks import runnable_treatment
from unstuck.patient.life import PatientRun, get_stuck, run_treatment

from unstuck_analysis.defaults import UNTREATED
from unstuck_analysis.output.answer import About, Answer, Shown, inputs_hash
from unstuck_analysis.output.style import FAINT, looks, styled
from unstuck_analysis.output.table import Cell, Column, Table
from unstuck_analysis.questions.stuck import require_stuck, typical_patient

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CIRCUITS = ("default", "anxiety", "ocd")
# None of these is the protocol of a held-out finding about anxiety or OCD.
TREATMENTS = (UNTREATED, "ssri-like", "ssri-two-weeks", "ketamine-like", "psilocybin-like")
DAYS = (1, 7, 28, 84)
SHOWN_DAYS = 84.0
LOWEST, HIGHEST = -0.5, 1.2  # of R in the figure; values outside are cut off


@dataclass(frozen=True)
class InCircuit:
    """The typical patient of one circuit under every treatment, by name."""

    name: str
    file: CircuitFile
    runs: Mapping[str, PatientRun]

    @property
    def readout(self) -> str:
        """What recovery is read from, in words."""
        readout = self.file.readout
        return f"{self.file.readout_name}: {readout.kind} of {', '.join(readout.of)}"

    def recovery(self, treatment: str, day: float) -> float:
        """Recovery R under a treatment on a day."""
        run = self.runs[treatment]
        reading = min(run.readings, key=lambda reading: abs(reading.day - day))
        return run.recovery(reading.connectivity)


def in_circuits(treatments: Sequence[str], circuits: Sequence[str]) -> list[InCircuit]:
    """Run every treatment in the typical patient of every circuit.

    Raises:
        InputError: a file is at fault, or the patient of a circuit does not become stuck.
    """
    found: list[InCircuit] = []
    for name in circuits:
        plans = [runnable_treatment(treatment, name) for treatment in dict.fromkeys((UNTREATED, *treatments))]
        patient = typical_patient(plans[0].circuit, default_parameters())
        stuck = get_stuck(patient, plans[0])
        require_stuck(stuck, plans[0].circuit, f"the patient of circuit {name!r}")
        runs = {plan.name: run_treatment(patient, plan, functional_days=()) for plan in plans}
        found.append(InCircuit(name, plans[0].circuit, runs))
    return found


def ask(treatments: Sequence[str], circuits: Sequence[str]) -> Answer:
    """Recovery of the typical patient under the treatments, in each circuit."""
    found = in_circuits(treatments, circuits)
    names = list(found[0].runs)
    table = recovery_table(found)
    best = {
        each.name: max(names, key=lambda name, each=each: each.recovery(name, SHOWN_DAYS)) for each in found
    }
    finding = [
        "Largest recovery R on day 84: "
        + "; ".join(
            f"{each.name} {best[each.name]} {each.recovery(best[each.name], 84):.2f}" for each in found
        )
        + "."
    ]
    inputs = inputs_hash(default_parameters(), *(each.file for each in found), names)
    return Answer(
        title="The same treatments in several circuits",
        finding=finding,
        about=About(
            f"circuits {', '.join(circuits)}", "1 typical patient per circuit, mean-field", "none", inputs
        ),
        tables={"circuits": table},
        figures={"circuits": Shown(circuits_figure(found), CAPTION, finding[0])},
        printed=["circuits"],
        next_step=f"unstuck compare --circuit {circuits[-1]}",
    )


CAPTION = (
    "Recovery R of the typical patient over the 12 weeks from day 0, one panel per circuit: 0 is this"
    " patient's own stuck state, 1 is health. Below the name of the circuit: what R is read from. R below"
    " -0.5 and above 1.2 is cut."
)


def recovery_table(found: Sequence[InCircuit]) -> Table:
    """A row per circuit and treatment: R on some days, and R minus untreated on day 84."""
    columns = [Column("circuit"), Column("readout"), Column("treatment")]
    columns += [Column(f"recovery_day_{day}", f"R, day {day}", format=".2f") for day in DAYS]
    columns += [Column("minus_untreated", "R minus untreated, day 84", format=".2f")]
    rows: list[list[Cell]] = []
    for each in found:
        for name in each.runs:
            recovery = [each.recovery(name, day) for day in DAYS]
            added = recovery[-1] - each.recovery(UNTREATED, DAYS[-1])
            rows.append([each.name, each.file.readout_name, name, *recovery, added])
    return Table(columns, rows, "Recovery R of the typical patient")


@styled
def circuits_figure(found: Sequence[InCircuit]) -> "Figure":
    """Recovery over time, one panel per circuit and one line per treatment."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.1 * len(found), 4.4), layout="constrained")
    panels = figure.subplots(1, len(found), squeeze=False, sharey=True)[0]
    for axes, each in zip(panels, found, strict=True):
        _draw(axes, each)
    panels[0].set_ylabel("recovery R (0 stuck, 1 healthy)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9)
    return figure


def _draw(axes: "Axes", each: InCircuit) -> None:
    for value in (0.0, 1.0):
        axes.axhline(value, color=FAINT, linewidth=0.8)
    beyond: list[str] = []
    for name, style in looks(each.runs).items():
        run = each.runs[name]
        rows = [(r.day, run.recovery(r.connectivity)) for r in run.readings if r.day <= SHOWN_DAYS]
        axes.plot(*zip(*rows, strict=True), label=name, linewidth=1.8, **style)
        day, lowest = min(rows, key=lambda row: row[1])
        if lowest < LOWEST:
            when = f"after {24 * day:.0f} h" if day < 1.0 else f"on day {day:.0f}"
            beyond.append(f"{name} to R {lowest:.1f} {when}")
    if beyond:
        axes.text(3, LOWEST + 0.03, f"below the figure: {'; '.join(beyond)}", fontsize=8.5)
    axes.set(xlim=(0, SHOWN_DAYS), ylim=(LOWEST, HIGHEST), xlabel="day", xticks=(0, 28, 56, 84))
    axes.set_title("default (depression)" if each.name == CIRCUITS[0] else each.name)
    axes.text(0.02, 0.98, each.file.readout_name, transform=axes.transAxes, va="top", fontsize=9)
