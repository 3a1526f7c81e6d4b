"""The page docs/evidence.md with its table docs/evidence.csv; evidence.md in this folder is the prose.

`python docs/make/all.py evidence` simulates what is not stored yet in results/evidence-runs. The held-out
findings are measured once, when the ensemble of parameter sets is frozen: `unstuck evidence --held-out`.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from string import Template

from quick_runs import DOCS
from unstuck.parameters import default_parameters
from unstuck_analysis.evidence.answer import (
    RUNS,
    about,
    figure,
    group_tables,
    mechanisms_table,
    parts_table,
    value_text,
)
from unstuck_analysis.evidence.ensemble import Ensemble, constrained, independent, summary
from unstuck_analysis.evidence.facts import Fact, first_measurements, read_facts
from unstuck_analysis.evidence.findings import OF_COHORT
from unstuck_analysis.evidence.measure import (
    Evidence,
    Plan,
    at_edges,
    free_parameters,
    headline,
    measure,
    range_text,
    unwatched,
)
from unstuck_analysis.evidence.mechanisms import choose_mechanisms
from unstuck_analysis.output.markdown import table
from unstuck_analysis.output.style import save_figure

PROSE = Path(__file__).with_suffix(".md")


def markdown(evidence: Evidence, mechanisms: str) -> str:
    """The page as Markdown: the prose of evidence.md with what was measured."""
    ensemble = Ensemble.shipped()
    directions_from, directions = constrained(ensemble)
    tables = {group: each.markdown() for group, each in group_tables(evidence).items()}
    return Template(PROSE.read_text(encoding="utf-8")).substitute(
        independent=independent(ensemble),
        ensemble=summary(ensemble, [finding.fact for finding in evidence.findings]),
        directions="\n".join(f"{number}. {text}." for number, text in enumerate(directions, 1)),
        directions_from=directions_from,
        held_out=tables["held-out-findings"],
        headline=" ".join(headline(evidence)),
        edges=at_edges(evidence),
        free=free_parameters(),
        n=about(evidence).n,
        seed=evidence.plan.seed,
        fitted=tables["fitted-findings"],
        seen=tables["seen-findings"],
        predictions=tables["prediction-findings"],
        first=_first_table(evidence),
        history=_history_table([finding.fact for finding in evidence.findings]),
        parameters=_fitted_parameters(),
        mechanisms=mechanisms,
    )


def _first_table(evidence: Evidence) -> str:
    """Every part of a test finding at its first measurement and now."""
    first = {**first_measurements(1), **first_measurements(2)}
    rows: list[tuple[str, ...]] = []
    for part in (part for finding in evidence.findings for part in finding.parts):
        if earlier := first.get((part.id, part.name)):
            then = value_text(replace(part, value=earlier.value)).split(" (")[0]
            name = f"{part.id} {part.name}".strip()
            rows.append((name, earlier.date, then, value_text(part), range_text(part)))
    return table(("finding", "first measured on", "value then", "value now", "published range now"), rows)


def _history_table(facts: Sequence[Fact]) -> str:
    rows = [(fact.id, fact.statement, fact.history) for fact in facts if fact.history]
    return table(("id", "finding", "history of its range and use"), rows)


def _fitted_parameters() -> str:
    symbols = [record.symbol for record in default_parameters().records.values() if record.origin == "fitted"]
    return ", ".join(f"`{symbol}`" for symbol in symbols)


def _without_each(intact: Evidence, plan: Plan) -> str:
    """Which findings about the typical patient need which mechanism."""
    typical = [finding for finding in intact.findings if finding.fact.id not in OF_COHORT]
    facts = [finding.fact for finding in typical]
    matrix = {
        name: measure(facts, replace(plan, without=name), unwatched) for name in choose_mechanisms(["all"])
    }
    return mechanisms_table(replace(intact, findings=typical), matrix).markdown()


def make(workers: int) -> None:
    """Write the page, its table and its figure; what is stored is not simulated again."""
    plan = Plan(workers=workers, folder=RUNS)
    evidence = measure(read_facts(), plan, unwatched)
    (DOCS / "evidence.md").write_text(markdown(evidence, _without_each(evidence, plan)), encoding="utf-8")
    (DOCS / "evidence.csv").write_text(parts_table(evidence).csv(), encoding="utf-8")
    save_figure(figure(evidence), DOCS / "images" / "findings.png")
