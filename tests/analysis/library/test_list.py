"""What list, show, check, schema and new tell of the files on the shelf and of one's own."""

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest
from command_line import Unstuck
from pydantic import TypeAdapter
from unstuck.files.drug import DrugFile
from unstuck.files.find import read, shipped
from unstuck.files.treatment import Regimen, Treatment, TreatmentFile
from unstuck.parameters import default_parameters
from unstuck.targets import TARGETS
from unstuck_analysis.library.check import KINDS as ALL_KINDS
from unstuck_analysis.library.check import kind_of
from unstuck_analysis.library.show import sourced_numbers
from unstuck_analysis.output.words import regimen_in_words, schedule_of, time_in_words

KINDS = ("drugs", "treatments", "circuits", "studies")
TEMPLATES = ("drug", "treatment", "circuit", "study")


@pytest.mark.parametrize("kind", KINDS)
def test_list_names_every_file_of_a_kind(unstuck: Unstuck, kind: str) -> None:
    done = unstuck("list", kind)
    assert (done.code, done.err) == (0, "Next: unstuck show NAME\n")
    first_words = {line.split()[0] for line in done.out.splitlines() if line.strip()}
    assert set(shipped(kind)) <= first_words


def test_list_all_lists_every_kind(unstuck: Unstuck) -> None:
    out = unstuck("list", "--all").out
    assert all(f"{kind.capitalize()} (" in out for kind in KINDS)


def test_list_alone_shows_ten_drugs_that_are_treatments_too(unstuck: Unstuck) -> None:
    lines = unstuck("list").out.splitlines()
    assert lines[0] == "10 drugs to begin with"
    names = [line.split()[0] for line in lines[4:] if not line.startswith(" ")]
    assert len(names) == 10
    assert set(names) <= set(shipped("drugs")) & set(shipped("treatments"))


def test_drugs_stand_under_their_class(unstuck: Unstuck) -> None:
    lines = [line.rstrip() for line in unstuck("list", "drugs").out.splitlines()]
    start = next(k for k, line in enumerate(lines) if line.strip() == "SSRI")
    names = [
        line.split()[0] for line in lines[start + 1 : lines.index("", start)] if not line.startswith(" ")
    ]
    assert {"fluoxetine-like", "ssri-like"} <= set(names)
    assert "ketamine-like" not in names


def test_a_file_of_ones_own_is_on_the_shelf_and_a_faulty_one_hides_no_other(
    unstuck: Unstuck, tmp_path: Path
) -> None:
    folder = tmp_path / "scenarios" / "drugs"
    folder.mkdir(parents=True)
    (folder / "broken.yaml").write_text("title: [")
    (folder / "mine.yaml").write_text("title: Mine\nclass: Mine\nusual_dose: 1 mg\nactions: []\n")
    out = unstuck("list", "drugs").out
    assert "nothing in the model" in out
    assert "unstuck check" in out
    assert "ssri-like" in out


@pytest.mark.parametrize("name", sorted(shipped("drugs")))
def test_show_gives_every_number_of_a_drug_with_its_source(name: str) -> None:
    drug, _ = read("drugs", name, DrugFile)
    numbers = list(sourced_numbers(drug))
    written = drug.model_dump_json(exclude_none=True).count('"source":')
    assert len(numbers) == written
    assert all(number.source and number.value and number.confidence in "ABC-" for number in numbers)


def test_show_tells_a_drug_and_the_treatment_of_its_name(unstuck: Unstuck) -> None:
    out = " ".join(unstuck("show", "fluoxetine-like").out.split())
    for told in (
        "Drug: Fluoxetine-like",
        "norfluoxetine",
        "share of SERT blocked",
        "half_life 84 h A PMC6168070",
        "Limits: Kinetics are linear",
        "Treatment: Fluoxetine-like",
        "20 mg fluoxetine-like every day for 12 weeks",
        "-102 to -60",
    ):
        assert told in out


def test_show_tells_no_dose_where_there_is_none_and_where_a_dose_comes_from(unstuck: Unstuck) -> None:
    knocked_out = " ".join(unstuck("show", "sert-knock-out").out.split())
    assert "no dose" in knocked_out
    assert "mg" not in knocked_out.split("Every number")[0]
    assert "Meyer 2001" in unstuck("show", "ssri-like").out


def test_show_gives_the_value_a_symbol_stands_for(unstuck: Unstuck) -> None:
    assert "kKi = 0.6" in unstuck("show", "ketamine-like").out


def test_show_tells_a_circuit_with_weights_and_roles(unstuck: Unstuck) -> None:
    out = " ".join(unstuck("show", "default").out.split())
    for told in ("dorsal raphe nucleus", "serotonergic", "plastic", "Serotonin comes from DRN_S", "AMY_P"):
        assert told in out


@pytest.mark.parametrize("kind", ["treatments", "circuits"])
def test_everything_on_the_shelf_can_be_shown(unstuck: Unstuck, kind: str) -> None:
    for name in shipped(kind):
        assert unstuck("show", name).code == 0


def test_a_drug_can_be_drawn(unstuck: Unstuck, tmp_path: Path) -> None:
    done = unstuck("show", "fluoxetine-like", "--figure", "it.svg")
    assert done.code == 0
    assert (tmp_path / "it.svg").read_text().startswith("<?xml")


def test_everything_on_the_shelf_passes_check(unstuck: Unstuck) -> None:
    paths = [path for kind in KINDS for path in shipped(kind).values()]
    done = unstuck("check", *paths)
    about_circuits = ("Note: Return to health after a small change:", "Note: Ill after 6 weeks of stress")
    others = [line for line in done.err.splitlines() if not line.startswith(about_circuits)]
    assert (done.code, others) == (0, [])
    assert done.err.count(about_circuits[0]) == len(shipped("circuits"))
    assert done.out.count(": a valid ") == len(paths)


@pytest.mark.parametrize("kind", TEMPLATES)
def test_a_new_file_passes_check_and_carries_its_name(unstuck: Unstuck, tmp_path: Path, kind: str) -> None:
    assert unstuck("new", kind, "my-own").code == 0
    text = (tmp_path / "my-own.yaml").read_text()
    assert "title: my-own" in text
    assert "NAME" not in text
    assert unstuck("check", "my-own.yaml").out == f"my-own.yaml: a valid {kind}\n"


@pytest.mark.parametrize("kind", ["drug", "treatment", "circuit"])
def test_a_new_file_can_be_shown(unstuck: Unstuck, kind: str) -> None:
    unstuck("new", kind, "my-own")
    assert "my-own" in unstuck("show", "my-own.yaml").out


def test_a_new_treatment_can_name_a_new_drug_and_circuit(unstuck: Unstuck, tmp_path: Path) -> None:
    for kind, name in (("drug", "my-drug"), ("circuit", "my-circuit"), ("treatment", "mine")):
        unstuck("new", kind, name)
    text = (tmp_path / "mine.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(text.replace("ssri-like", "my-drug") + "circuit: my-circuit\n")
    done = unstuck("run", "mine.yaml", "--neurons", "100", "--json")
    assert done.code == 0
    assert "LHb" in done.json["bdnf"]


def test_new_never_writes_over_a_file(unstuck: Unstuck, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("mine")
    done = unstuck("new", "drug", "mine")
    assert (done.code, done.out) == (2, "")
    assert "exists already" in done.err
    assert (tmp_path / "mine.yaml").read_text() == "mine"


@pytest.mark.parametrize("kind", KINDS)
def test_editors_get_a_schema_of_every_kind(unstuck: Unstuck, kind: str) -> None:
    schema = unstuck("check", "--schema", kind).json
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert "title" in schema["properties"]
    assert schema["additionalProperties"] is False


def test_the_kind_of_a_file_is_told_by_keys_then_folder_then_parent(tmp_path: Path) -> None:
    def written(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    assert kind_of(written("a.yaml", "title: a\nphases: {}\n")) == "treatment"
    assert kind_of(written("b.yaml", "title: b\nroles: {}\n")) == "circuit"
    assert kind_of(written("drugs/c.yaml", "title: c\n")) == "drug"
    assert kind_of(written("d.yaml", "title: d\nextends: untreated\n")) == "treatment"
    assert set(ALL_KINDS) == {*TEMPLATES, "cohort", "story", "trial", "context"}


@pytest.mark.parametrize(
    ("hours", "words"),
    [(2016, "12 weeks"), (168, "1 week"), (24, "1 day"), (60, "60 h"), (2.5, "2.5 h"), (2 / 3, "40 min")],
)
def test_times_are_said_in_their_largest_whole_unit(hours: float, words: str) -> None:
    assert time_in_words(hours) == words


@pytest.mark.parametrize(
    ("regimen", "words"),
    [
        ({"every": "8 h", "for": "12 weeks"}, "20 mg ssri-like every 8 h for 12 weeks"),
        ({"on_days": [0], "dose": "5 mg"}, "5 mg ssri-like on day 0"),
        ({"on_days": [0, 2], "over": "40 min"}, "20 mg ssri-like on days 0, 2, over 40 min"),
        (
            {"every": "1 d", "for": "8 weeks", "from": "14 d", "taper_over": "2 weeks"},
            "20 mg ssri-like every day for 8 weeks, from day 14 of the phase, then tapered over 2 weeks",
        ),
        (
            {"on_days": [28], "when": {"day": 28, "recovery_below": 0.5}},
            "20 mg ssri-like on day 28, if R is below 0.5 on day 28 of the phase",
        ),
    ],
)
def test_a_regimen_is_said_in_words(regimen: dict[str, object], words: str) -> None:
    drug, _ = read("drugs", "ssri-like", DrugFile)
    read_regimen = TypeAdapter(Regimen).validate_json(json.dumps({"drug": "ssri-like", **regimen}))
    assert regimen_in_words(read_regimen, drug) == words


@pytest.mark.parametrize(
    ("name", "heading"),
    [
        ("untreated", "without a drug"),
        ("ssri-like", "one drug every day"),
        ("ketamine-like", "single doses"),
        ("ssri-then-ketamine", "with a condition"),
        ("ssri-with-pindolol", "several drugs"),
    ],
)
def test_treatments_are_listed_by_what_they_do(name: str, heading: str) -> None:
    assert schedule_of(read("treatments", name, TreatmentFile)[0]) == heading


def test_what_templates_offer_in_comments_exists(tmp_path: Path) -> None:
    folder = files("unstuck_analysis.library") / "templates"
    drug, study, treatment = (
        (folder / f"{kind}.yaml").read_text("utf-8") for kind in ("drug", "study", "treatment")
    )
    offered = drug.split("the targets and modes:")[1].split("\n  - ")[0].replace("(with region)", "")
    pairs = re.findall(r"([a-z0-9.]+) ([a-z-]+(?:, [a-z-]+)*)", offered)
    assert len(pairs) > 15
    assert [
        mode for target, modes in pairs for mode in modes.split(", ") if mode not in TARGETS[target]
    ] == []
    assert set(re.findall(r"model\.(\w+):", study)) <= set(default_parameters())
    path = tmp_path / "all-keys.yaml"
    path.write_text(re.sub(r"^( *)# ([\w-]+: )", r"\1\2", treatment, flags=re.MULTILINE))
    assert Treatment(str(path)).file.phases["treatment"].life_events
