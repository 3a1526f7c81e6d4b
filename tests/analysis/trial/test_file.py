"""Trial files: what is refused, and where; every shipped trial is valid."""

from pathlib import Path

import jsonschema
import pytest
import yaml
from command_line import Unstuck, fails
from unstuck.files.find import shipped
from unstuck_analysis.library.check import schema_of
from unstuck_analysis.trial.file import course_file, load_trial

TRIAL = """title: Mine
extends: ssri-against-placebo
arms:
  - {name: placebo}
  - {name: drug, treatment: ssri-like}
"""
FAULTS = {
    "a drug that does not exist": (
        TRIAL.replace("treatment: ssri-like", "drugs: [{drug: ssri-lik, every: 1 d, for: 56 d}]"),
        "mine.yaml:5:arms.1.drugs.0.drug: unknown drug 'ssri-lik', did you mean 'ssri-like'?",
    ),
    "a treatment that does not exist": (
        TRIAL.replace("ssri-like", "ssri-lke"),
        "mine.yaml:5:arms.1.treatment: unknown treatment 'ssri-lke', did you mean 'ssri-like'?",
    ),
    "a dose after the end": (
        TRIAL.replace("treatment: ssri-like", "drugs: [{drug: ssri-like, every: 1 d, for: 57 d}]"),
        "mine.yaml:5:arms.1.drugs.0: ssri-like goes on to day 57, after the end, day 56",
    ),
    "a visit after the end of a period": (
        TRIAL + "design: {kind: cross-over, period: 42 d, washout: 7 d}\nendpoint: {analyses: [locf]}\n",
        "visits: the visit on day 56 is after the end, day 42",
    ),
    "more weeks than leaving is drawn for": (
        TRIAL + "visits: {every: 7 d, last: 427 d}\n",
        "visits: the arms last more than 60 weeks",
    ),
    "a treatment and drugs of an open phase": (
        TRIAL.replace("ssri-against-placebo", "ssri-randomised-withdrawal")
        + "design: {drugs: [{drug: ssri-like, on_days: [0]}]}\n",
        "mine.yaml:6:design.drugs: write a treatment or drugs, not both",
    ),
    "a rate above 1": (
        TRIAL + "adherence: {never: {value: 8, source: assumed}}\n",
        "mine.yaml:6:adherence.never.value: must be less than or equal to 1, not 8",
    ),
    "estimands that contradict each other": (
        TRIAL + "endpoint:\n  estimand: composite\n  analyses: [mmrm]\n",
        "mine.yaml:8:endpoint.analyses.0: mmrm contradicts the estimand composite",
    ),
    "full adherence that contradicts missed doses": (
        TRIAL + "endpoint:\n  estimand: hypothetical\n",
        "mine.yaml:7:endpoint.estimand: hypothetical (every dose is taken) contradicts adherence",
    ),
    "an unknown analysis": (TRIAL + "endpoint: {analyses: [anova]}\n", "analyses.0: unknown value 'anova'"),
    "two arms of one name": (TRIAL.replace("drug,", "placebo,"), "arms.1: two arms are called 'placebo'"),
    "a circuit whose illness no scale rates": (
        TRIAL + "circuit: anxiety\n",
        "mine.yaml:6:circuit: the scales of trials rate depression, from connections that are lost",
    ),
    "an unknown context": (TRIAL + "context: cure\n", "mine.yaml:6:context: unknown context 'cure'"),
    "an unknown key": (TRIAL + "patients: 20\n", "mine.yaml:6:patients: unknown key 'patients'"),
    "a rescue without a visit": (
        TRIAL + "rescue: {day: 30, improved_below: 0.2, drugs: [{drug: ketamine-like, on_days: [0]}]}\n",
        "rescue.day: day 30 has no visit",
    ),
    "dose finding without doses": (TRIAL + "design: {kind: dose-finding}\n", "every arm of a dose"),
    "a cross-over of one arm": (
        "title: One\nextends: ssri-cross-over\narms:\n  - {name: placebo}\n",
        "a cross-over compares 2 arms, not 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_reported_at_its_file_line_and_key(unstuck: Unstuck, fault: str) -> None:
    text, message = FAULTS[fault]
    Path("mine.yaml").write_text(text)
    assert message in fails(unstuck, "check", "mine.yaml")
    assert message in fails(unstuck, "trial", "mine.yaml")


@pytest.mark.parametrize("name", shipped("trials"))
def test_every_shipped_trial_is_valid_and_listed(name: str, unstuck: Unstuck) -> None:
    done = unstuck("check", str(shipped("trials")[name]))
    assert done.out.strip().endswith("a valid trial")
    assert name in unstuck("list", "trials").out


@pytest.mark.parametrize("name", ["ssri-open", "ssri-cross-over"])
def test_the_schema_accepts_shipped_trials_and_refuses_a_wrong_key(name: str) -> None:
    schema, content = schema_of("trial"), yaml.safe_load(shipped("trials")[name].read_text())
    jsonschema.validate(content, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**content, "patients": 3}, schema)


def test_every_number_about_raters_doses_and_leaving_has_a_source() -> None:
    file = load_trial("ssri-against-placebo").file
    numbers = [*vars(file.rating).values(), *vars(file.adherence).values()]
    numbers += [file.leaving.any_reason, file.leaving.no_improvement, *file.leaving.side_effects.values()]
    assert all(len(number.source) > 3 for number in numbers if not isinstance(number, str))


def test_a_treatment_is_cut_at_the_end_of_the_trial() -> None:
    (regimen,) = load_trial("ssri-against-placebo").regimens["ssri"]
    assert regimen.lasting == 56 * 24
    (longer,) = load_trial("ssri-open").regimens["ssri"]
    assert longer.lasting == 84 * 24


def test_care_ends_at_randomisation_where_treatment_is_withdrawn() -> None:
    file = load_trial("ssri-randomised-withdrawal").file
    phases = course_file(file, "placebo").phases
    lengths = [phases[name].length for name in ("placebo", "after care")]
    assert lengths == [
        file.entry.screening + file.start_day * 24,
        (file.total_days - file.start_day) * 24,
    ]
