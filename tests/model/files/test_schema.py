"""JSON Schema for editors: every shipped file passes its schema, and faults are found while typing."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from unstuck.files.find import shipped_folders
from unstuck_analysis.library.check import schema_of

SCENARIOS = next(folder for folder in shipped_folders() if folder.is_dir())
FILES = {
    "drug": [*SCENARIOS.glob("drugs/*.yaml"), *SCENARIOS.glob("evidence/drugs/*.yaml")],
    "treatment": [*SCENARIOS.glob("treatments/*.yaml"), *SCENARIOS.glob("evidence/*.yaml")],
    "circuit": [*SCENARIOS.glob("circuits/*.yaml")],
    "study": [*SCENARIOS.glob("studies/*.yaml")],
    "cohort": [SCENARIOS / "cohort.yaml"],
}


def faults(kind: str, content: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(schema_of(kind))
    return [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(content)]


@pytest.mark.parametrize("kind", FILES)
def test_every_shipped_file_passes_its_schema(kind: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema_of(kind))
    assert FILES[kind]
    for path in FILES[kind]:
        assert faults(kind, yaml.safe_load(path.read_text(encoding="utf-8"))) == [], path


def test_a_template_passes_its_schema() -> None:
    for path in Path(__file__).parents[3].glob("analysis/unstuck_analysis/library/templates/*.yaml"):
        assert faults(path.stem, yaml.safe_load(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("title: x\nphases: {treatment: {for: 1 d, durgs: []}}", "'durgs' was unexpected"),
        ("title: x\nphases: {treatment: {stress: 1}}", "'for' is a required property"),
        ("title: x", "'phases' is a required property"),
        ("extends: untreated\nphases: {treatment: {drugs: [{dose: 1 mg}]}}", "'drug' is a required property"),
        (
            "extends: untreated\nphases: {treatment: {drugs: [{drug: a, every: 1 fortnight, for: 1 week}]}}",
            "1 fortnight",
        ),
    ],
)
def test_a_fault_is_found_by_the_schema(text: str, fault: str) -> None:
    assert any(fault in found for found in faults("treatment", yaml.safe_load(text)))


def test_kinetics_need_their_keys_unless_the_file_extends_another() -> None:
    drug = {"title": "x", "class": "y", "actions": [], "kinetics": {"route": "oral"}}
    assert any("'half_life' is a required property" in fault for fault in faults("drug", drug))
    assert faults("drug", {"extends": "ssri-like", "kinetics": {"route": "oral"}}) == []


def test_a_bad_unit_of_a_half_effect_is_found_by_the_schema() -> None:
    hill = {"half_effect": {"value": "250 nmoles", "source": "assumed"}}
    action = {"target": "sert.occupancy", "mode": "block", "hill": hill}
    assert any("nmoles" in fault for fault in faults("drug", {"extends": "x", "actions": [action]}))
