"""The pages of the circuits of other illnesses: anxiety and OCD, with their fitted findings and figures.

`python docs/make/all.py circuits` measures the findings (minutes). It writes docs/anxiety.md, docs/ocd.md
and, in docs/images, circuits.png, anxiety.png and ocd.png. The prose is in anxiety.md and ocd.md.
"""

from pathlib import Path
from string import Template

from quick_runs import DOCS
from unstuck.files.treatment import circuit_for
from unstuck_analysis.circuit_figures import circuit_figure
from unstuck_analysis.compare import compare
from unstuck_analysis.evidence.answer import RUNS, value_text
from unstuck_analysis.evidence.facts import read_facts
from unstuck_analysis.evidence.findings import TABLES
from unstuck_analysis.evidence.measure import Plan, headline, measure, patients_of, range_text, unwatched
from unstuck_analysis.output.markdown import table
from unstuck_analysis.output.style import save_figure
from unstuck_analysis.questions import circuits as question

SEED, SHOWN_PATIENTS = 1, 8
CIRCUITS = [name for name in TABLES if name != "default"]
FIGURE = "images/circuits.png"
FILES = (FIGURE, *(file for name in CIRCUITS for file in (f"{name}.md", f"images/{name}.png")))


def page(name: str, recovery: str, workers: int) -> str:
    """The page of one circuit: prose, recovery in the typical patient, and findings as measured.

    Held-out findings are on it once their first measurement is recorded.
    """
    plan = Plan(patients_of(name), 0, SEED, workers, RUNS, circuit=name)
    evidence = measure(read_facts(circuit=name), plan, unwatched)
    rows = [
        (
            finding.fact.id,
            finding.fact.group,
            finding.fact.statement,
            "; ".join(f"{part.name} {value_text(part)}".strip() for part in finding.parts),
            "; ".join(dict.fromkeys(range_text(part) for part in finding.parts)),
            "yes" if finding.reproduced else "no",
        )
        for finding in evidence.findings
        if finding.parts
    ]
    file, _ = circuit_for(name)
    projections = [
        (
            ends,
            p.weight if p.times == 1.0 else f"{p.weight} x {p.times}",
            "yes" if p.plastic else "",
            p.source,
        )
        for ends, p in file.projections.items()
        if p.source
    ]
    return Template(Path(__file__).with_name(f"{name}.md").read_text(encoding="utf-8")).substitute(
        findings=table(("finding", "use", "statement", "value", "published range", "reproduced"), rows),
        projections=table(("projection", "weight", "plastic", "source"), projections),
        recovery=recovery,
        reproduced=" ".join(headline(evidence)),
        stuck=f"{evidence.stuck} of {evidence.drawn}",
        healthy_ill=f"{evidence.healthy_ill:.0%}",
    )


def make(workers: int) -> None:
    """Write the pages and their figures."""
    found = question.in_circuits(question.TREATMENTS, question.CIRCUITS)
    save_figure(question.circuits_figure(found), DOCS / FIGURE)
    for name in CIRCUITS:
        recovery = question.recovery_table([each for each in found if each.name == name]).markdown()
        (DOCS / f"{name}.md").write_text(page(name, recovery, workers), encoding="utf-8")
        shown = compare(
            ["untreated", "ssri-like"], patients=SHOWN_PATIENTS, neurons=0, seed=SEED, circuit=name
        )
        save_figure(circuit_figure(shown), DOCS / "images" / f"{name}.png")
