"""Values against ranges, counts in sentences, and what keeps held-out findings unmeasured."""

from collections.abc import Callable
from contextlib import nullcontext
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest
from unstuck.errors import InputError
from unstuck_analysis.evidence import measure as measuring
from unstuck_analysis.evidence.answer import answer, ask, group_tables, parts_table
from unstuck_analysis.evidence.courses import Cohort, Course
from unstuck_analysis.evidence.facts import FIRST, Fact, first_measurements, read_facts, shipped_file
from unstuck_analysis.evidence.findings import Recorded
from unstuck_analysis.evidence.measure import (
    Evidence,
    Finding,
    Part,
    Plan,
    at_edges,
    headline,
    lost_without,
    measure,
    range_text,
    record_first_measurements,
)

FACTS = {fact.id: fact for fact in read_facts()}


def found(
    id: str, value: float | None, part: str = "", interval: tuple[float, float] = (nan, nan)
) -> Finding:
    """A finding with one part of a given value (None: not measured)."""
    fact = FACTS[id]
    parts = [] if value is None else [Part(id, part, value, interval, fact.range_of(part))]
    return Finding(fact, parts)


def evidence(*findings: Finding) -> Evidence:
    return Evidence(findings, Plan(), drawn=60, stuck=50)


def unwatched(what: str, total: int) -> nullcontext[Callable[[object], None]]:
    return nullcontext(lambda done: None)


@pytest.mark.parametrize(
    ("id", "part", "value", "inside", "edge"),
    [
        ("F18", "", 0.40, True, "lower"),  # 0.40 to 0.75, both ends inside
        ("F18", "", 0.55, True, ""),
        ("F18", "", 0.74, True, "upper"),
        ("F18", "", 0.76, False, ""),
        ("F18", "", nan, None, ""),
        ("T07", "", inf, False, ""),
        ("T13", "largest principal activity", 1.0, False, ""),  # above 1
        ("T13", "largest principal activity", 1.01, True, ""),
        ("F31", "91 d", 0.34, True, "upper"),  # 0.10 to 0.35: a range of this part alone
    ],
)
def test_a_value_is_compared_with_its_range(
    id: str, part: str, value: float, inside: bool | None, edge: str
) -> None:
    (measured,) = found(id, value, part).parts
    assert (measured.inside, measured.edge) == (inside, edge)


def test_one_part_outside_its_range_is_a_miss_even_if_another_has_no_value() -> None:
    outside, unknown = found("F34", 0.5, "all cells").parts[0], found("F34", nan, "interneurons").parts[0]
    assert Finding(FACTS["F34"], [unknown, outside]).reproduced is False
    assert Finding(FACTS["F34"], [unknown]).reproduced is None


def test_ranges_are_said_in_words() -> None:
    measured = [found("F18", 0.5), found("U03", 0.1, "day 2"), found("U03", 0.5, "day 8")]
    parts = [finding.parts[0] for finding in measured]
    assert [range_text(part) for part in parts] == ["0.4 to 0.75", "below 0.25", "at least 0.4"]


def test_the_headline_counts_every_group_with_its_noun() -> None:
    said = headline(
        evidence(
            found("F18", 0.5), found("F19", 0.6), found("U04", None), found("T11", 0.5), found("T15", 0.0)
        )
    )
    assert said == [
        "1 held-out findings are not measured yet: the parameters are not frozen.",
        "1 of 2 fitted findings are reproduced; not reproduced: F19.",
        "1 of 1 findings that were seen in generation 1 and not fitted are reproduced.",
        "T15 is a prediction of the model and is not counted.",
    ]


def test_values_close_to_an_end_are_named() -> None:
    assert at_edges(evidence(found("F18", 0.74), found("F19", 0.2))) == (
        "Inside the range, but within a tenth of an end: F18 (upper end)."
    )
    assert at_edges(evidence(found("F18", 0.5))) == ""


def test_held_out_findings_are_simulated_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    cohort = Cohort({}, {}, np.arange(0))

    def recorded(facts: list[Fact], plan: Plan, watch: object) -> Recorded:
        asked.append([fact.id for fact in facts])
        return Recorded(cohort, cohort, cohort)

    monkeypatch.setattr(measuring, "_recorded", recorded)
    monkeypatch.setattr(measuring, "_parts", lambda *_: [])
    monkeypatch.setattr(measuring, "first_measurements", lambda generation: {})
    facts = [FACTS["F18"], FACTS["U04"]]
    result = measure(facts, Plan(), unwatched)
    measure(facts, Plan(), unwatched, held_out=True)
    assert asked == [["F18"], ["F18", "U04"]]
    assert result.findings[1].parts == []


def test_only_the_first_measurement_of_a_held_out_finding_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / FIRST[2]
    path.write_text(shipped_file(FIRST[2]).read_text().splitlines()[0] + "\n")
    assert record_first_measurements(evidence(found("U04", 0.4), found("F18", 0.5)), path) == ["U04"]
    assert record_first_measurements(evidence(found("U04", 0.9)), path) == []
    first = first_measurements(2, path)
    assert set(first) == {("U04", "")}
    assert (first["U04", ""].value, first["U04", ""].patients) == (0.4, "60")


def test_the_interval_of_a_share_covers_it_and_narrows_with_patients(monkeypatch: pytest.MonkeyPatch) -> None:
    def interval(patients: int) -> tuple[float, float]:
        recovery = np.array([[0.0, float(index % 2)] for index in range(patients)])
        course = Course(
            np.array([0.0, 84.0]), {"recovery": recovery, "connectivity": np.full_like(recovery, 0.6)}
        )
        everyone = Cohort({"ssri-84d": course}, {}, np.arange(patients))
        monkeypatch.setattr(measuring, "_recorded", lambda *_: Recorded.of(everyone, everyone))
        ((part,),) = (finding.parts for finding in measure([FACTS["T02"]], Plan(), unwatched).findings)
        assert part.value == 0.5
        return part.interval

    few, many = interval(40), interval(1_000)
    assert few[0] < many[0] < 0.5 < many[1] < few[1]
    assert many == pytest.approx((0.469, 0.531), abs=0.01)  # 1.96 sqrt(0.25 / 1000)


def test_a_finding_is_lost_only_if_it_was_reproduced_before() -> None:
    intact = evidence(found("F18", 0.5), found("F19", 0.9), found("F20", 0.3))
    without = evidence(found("F18", 0.0), found("F19", 0.0), found("F20", nan))
    assert lost_without(intact, without) == (["F18"], ["F20"])


def test_the_answer_opens_with_the_held_out_findings_and_has_one_line_per_finding() -> None:
    measured = evidence(found("F18", 0.74), found("F10", 30.7), found("U04", None))
    shown = answer(measured, {"scar": evidence(found("F18", 0.0), found("F10", nan), found("U04", None))})
    assert next(iter(shown.tables)) == "held-out-findings"
    rows = group_tables(measured)["fitted-findings"].rows
    assert [row[:4] for row in rows] == [
        ["F18", "yes", "0.74 (upper end)", "0.4 to 0.75"],
        ["F10", "yes", "30.7 d", "14 to 56"],
    ]
    assert shown.tables["mechanisms"].rows[0][2:] == ["F18", "F10"]
    assert "not measured yet" in shown.terminal()


def test_the_figure_gives_value_unit_and_range_of_every_part() -> None:
    (axes,) = answer(evidence(found("F10", 30.7), found("T07", inf)), {}).figures["findings"].figure.axes
    assert [text.get_text() for text in axes.texts] == ["30.7 d   [14 to 56]", "not reached   [11 to 40]"]
    assert axes.get_yticklabels()[0].get_text().endswith("F10")


def test_the_table_of_parts_holds_the_first_measurement() -> None:
    (row,) = parts_table(evidence(found("T02", 0.56, interval=(0.5, 0.6)))).records()
    assert (row["value"], row["interval_low"], row["first_value"], row["inside"]) == (0.56, 0.5, 0.85, True)


def test_held_out_findings_are_measured_over_all_patients_or_not_at_all() -> None:
    with pytest.raises(InputError, match="leave out --quick"):
        ask(["U04"], [], Plan(patients=100), held_out=True)
    with pytest.raises(InputError, match="leave out --quick"):
        ask(["U04"], ["scar"], Plan(), held_out=True)
    with pytest.raises(InputError, match="over 300 patients"):
        ask(["OT08"], [], Plan(patients=50, circuit="ocd"), held_out=True)
