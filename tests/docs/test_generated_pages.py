"""Generated pages and figures belong to the present code: fixed quick runs give the kept numbers."""

import quick_runs
from all import PAGES
from quick_runs import DOCS, KEPT, TREATMENTS, Numbers
from unstuck.files.treatment import Treatment
from unstuck.parameters import ParameterSet, default_parameters
from unstuck.patient.draw import draw_patient
from unstuck.patient.life import run_treatment
from unstuck.rules import Rules

AGAIN = "python docs/make/all.py"


def test_the_quick_runs_give_the_numbers_kept_with_every_generated_page() -> None:
    old = quick_runs.out_of_date(quick_runs.measure())
    told = [f"{page} ({len(names)} numbers, first: {names[0]})" for page, names in old.items()]
    assert not old, f"out of date: {'; '.join(told)}; run {AGAIN} {' '.join(old)}"


def test_the_treatments_of_the_quick_runs_use_every_parameter_of_every_rule() -> None:
    """Each parameter that is not 0, raised by 2 %, changes connectivity under one of the treatments."""
    parameters = default_parameters()
    named = {symbol for kind in Rules.__annotations__.values() for symbol in kind._fields} & set(parameters)
    unused = {name for name in named if parameters[name] != 0.0}
    assert len(unused) > 25
    for treatment in map(Treatment, TREATMENTS):
        usual = connectivities(treatment, parameters)
        raised = {name: parameters.with_values(**{name: 1.02 * parameters[name]}) for name in unused}
        unused = {name for name, changed in raised.items() if connectivities(treatment, changed) == usual}
    assert unused == set()


def connectivities(treatment: Treatment, parameters: ParameterSet) -> list[float]:
    """Connectivity of the typical patient at every reading."""
    patient = draw_patient(treatment.circuit, parameters, None, seed=1, index=0, neurons=0)
    return [
        reading.connectivity for reading in run_treatment(patient, treatment, functional_days=()).readings
    ]


def test_every_page_and_every_figure_of_the_docs_but_one_is_in_the_list() -> None:
    listed = {path for page in PAGES for path in page.files}
    kept = quick_runs.read_kept()["pages"]
    assert {name: set(entry["files"]) for name, entry in kept.items()} == {
        page.name: set(page.files) for page in PAGES if page.measured
    }
    figures = {f"images/{path.name}" for path in (DOCS / "images").glob("*.png")}
    assert figures - listed == {"images/view.png"}
    said = {path.name for path in DOCS.glob("*.md") if "docs/make/all.py" in path.read_text(encoding="utf-8")}
    assert said == {path for path in listed if path.endswith(".md") and "/" not in path}


def test_no_generated_file_was_edited_by_hand() -> None:
    assert quick_runs.edited() == [], f"edit the prose in docs/make instead and run {AGAIN}"


def test_a_number_that_moves_by_more_than_a_millionth_names_the_pages_made_before_it() -> None:
    then: Numbers = {"a": 1.0, "b": 2.0, "c": 0.0}
    assert quick_runs.differing(then, {"a": 1.0 + 1e-9, "b": 2.0, "c": 0.0}) == []
    assert quick_runs.differing(then, {"a": 1.00001, "b": 2.0, "c": 0.0}) == ["a"]
    assert quick_runs.differing(then, {"a": 1.0, "b": 2.0}) == ["c"]
    outcomes = quick_runs.read_kept()["outcomes"]
    changed = {name: value * (1.0 + 1e-5) for name, value in next(iter(outcomes.values())).items()}
    assert set(quick_runs.out_of_date(changed)) == {page.name for page in PAGES if page.measured}


def test_the_kept_numbers_are_small_enough_to_read_in_a_change() -> None:
    assert KEPT.stat().st_size < 100_000
