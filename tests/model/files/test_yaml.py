"""What may be written in a file, and which message its author gets when something else is written."""

import json
import os
import time
from collections.abc import Callable
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field, field_validator, model_validator
from unstuck.errors import InputError, choose, nearest
from unstuck.files import yaml as documents
from unstuck.files.schema import json_schema
from unstuck.files.units import DoseAmount, Hours
from unstuck.files.yaml import Document, read_document, read_document_with_places


class Route(Enum):
    ORAL = "oral"
    INTRAVENOUS = "intravenous"


class Drug(Document):
    drug: str
    dose: DoseAmount
    route: Route = Route.ORAL
    on_days: tuple[int, ...] = ()
    lasting: Hours = Field(default=24.0, alias="for")

    @field_validator("drug")
    @classmethod
    def _known(cls, name: str) -> str:
        return choose(name, ["fluoxetine-like", "ketamine-like"], "drug")


class Rest(Document):
    kind: Literal["rest"]
    days: float = Field(gt=0)


class Stress(Document):
    kind: Literal["stress"]
    level: float


class Phase(Document):
    name: str
    drugs: tuple[Drug, ...] = ()
    blinded: bool = False
    then: Annotated[Rest | Stress, Field(discriminator="kind")] | None = None


class Treatment(Document):
    extends: str | None = None
    name: str
    weight_kg: float = 70
    patients: int = 10
    labels: dict[str, str] = Field(default_factory=dict)
    phases: tuple[Phase, ...] = ()

    @model_validator(mode="after")
    def _few_phases(self) -> "Treatment":
        if len(self.phases) > 5:
            raise ValueError(f"{len(self.phases)} phases; at most 5 are allowed")
        return self


class Flat(Document):
    name: str


class Rare(Document):
    tags: frozenset[str] = frozenset()
    day: date = date(2000, 1, 1)


Write = Callable[..., Path]

WHOLE = """\
name: two drugs   # a comment
weight_kg: 80
labels: {on: off, yes: no, started: 2024-01-01, at: 12:30:00}
phases:
- name: first
  blinded: true
  drugs:
  - drug: fluoxetine-like
    dose: 20 mg
    for: 6 weeks
    on_days: [1, 2]
    route: intravenous
  then: {kind: rest, days: 7}
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)

    def _write(content: str | bytes, name: str = "x.yaml") -> Path:
        Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return Path(name)

    return _write


@pytest.fixture(params=["CSafeLoader", "SafeLoader"])
def either_loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "_LOADER", getattr(yaml, request.param))


def fault(path: Path, schema: type[Document] = Treatment, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        read_document(path, schema, **options)
    return str(caught.value)


def told(path: Path, **options: Any) -> list[str]:
    """The faults of a file, of which there may be none."""
    try:
        read_document(path, Treatment, **options)
    except InputError as error:
        return str(error).splitlines()
    return []


def sibling(name: str, file: Path) -> Path:
    return file.parent / f"{name}.yaml"


# What is read


def test_a_whole_file_becomes_a_typed_document(write: Write) -> None:
    treatment = read_document(write(WHOLE), Treatment)
    drug = treatment.phases[0].drugs[0]
    assert (treatment.weight_kg, drug.dose, drug.lasting) == (80.0, DoseAmount(20), 1008.0)
    assert (drug.route, drug.on_days) == (Route.INTRAVENOUS, (1, 2))


def test_yes_off_and_dates_stay_text(write: Write) -> None:
    labels = read_document(write(WHOLE), Treatment).labels
    assert labels == {"on": "off", "yes": "no", "started": "2024-01-01", "at": "12:30:00"}


@pytest.mark.parametrize(
    "word", ["yes", "on", "True", "1_000", "0x10", "0o7", "1:30", "2024-01-01", "nan", "=", "1e"]
)
@pytest.mark.usefixtures("either_loader")
def test_a_word_that_only_looks_special_is_text(write: Write, word: str) -> None:
    assert read_document(write(f"name: {word}"), Flat).name == word


@pytest.mark.parametrize("number", ["3", "+3", "3.0", "3.", ".3e1", "30E-1"])
def test_a_number_may_be_written_in_the_usual_ways(write: Write, number: str) -> None:
    assert read_document(write(f"name: a\nweight_kg: {number}"), Treatment).weight_kg == 3.0


def test_a_byte_order_mark_is_no_content(write: Write) -> None:
    assert read_document(write("\ufeffname: a"), Flat).name == "a"


def test_a_document_is_frozen_and_written_back_as_it_was_read(write: Write) -> None:
    treatment = read_document(write(WHOLE), Treatment)
    with pytest.raises(ValueError, match="frozen"):
        treatment.name = "other"  # pyright: ignore[reportAttributeAccessIssue]
    again = read_document(write(json.dumps(treatment.model_dump(mode="json"))), Treatment)
    assert again == treatment


def test_code_may_name_a_key_that_is_a_python_word_but_a_file_may_not(write: Write) -> None:
    assert Drug.model_validate({"drug": "ketamine-like", "dose": "1 mg", "lasting": "1 h"}).lasting == 1.0
    text = "drug: ketamine-like\ndose: 1 mg\nlasting: 1 h"
    assert fault(write(text), Drug).startswith("x.yaml:3:lasting: unknown key 'lasting'")


# Files that cannot be read


def test_a_missing_file_is_named(write: Write) -> None:
    assert fault(Path("gone.yaml")) == "gone.yaml: there is no such file"


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    assert fault(tmp_path) == f"{tmp_path}: this is a folder, not a file"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert fault(tmp_path / "pipe").endswith("pipe: this is not an ordinary file")


def test_a_file_that_may_not_be_read_is_named(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert fault(write("name: a")) == "x.yaml: the file cannot be read: Permission denied"


def test_an_endless_path_is_no_crash() -> None:
    assert "cannot be read" in fault(Path("a" * 5000))


@pytest.mark.parametrize("content", ["", "\n\n", "# only a comment\n"])
def test_an_empty_file_is_called_empty(write: Write, content: str) -> None:
    assert fault(write(content)) == "x.yaml: the file is empty"


@pytest.mark.parametrize("content", [b"name: \xff", b"\xff\xfen\x00a\x00", b"\x89PNG\r\n\x1a\n\x00"])
def test_a_file_that_is_not_utf8_is_called_so_with_its_line(write: Write, content: bytes) -> None:
    assert fault(write(content)) == "x.yaml:1: this is not UTF-8 text"


@pytest.mark.usefixtures("either_loader")
def test_a_file_with_nul_bytes_is_not_yaml(write: Write) -> None:
    message = fault(write(b"name: a\x00b"))
    assert message.startswith("x.yaml")
    assert "contains the character NUL (U+0000)" in message


def test_a_file_over_one_megabyte_is_not_even_read(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("#" * 1_000_001)
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("was read"))
    assert fault(path) == "x.yaml: the file has 1000001 bytes; the limit is 1000000 (1 MB)"


@pytest.mark.parametrize(
    ("content", "line", "column"),
    [
        ("name: a\nb: [1, 2\nc: 3\n", 3, 2),
        ("name: 'a\n", 2, 1),
        ("a: b: c", 1, 5),
    ],
)
@pytest.mark.usefixtures("either_loader")
def test_a_syntax_error_has_line_and_column(write: Write, content: str, line: int, column: int) -> None:
    assert fault(write(content)).startswith(f"x.yaml:{line}: this is not YAML at column {column}: ")


@pytest.mark.usefixtures("either_loader")
def test_a_tab_is_named_with_its_line(write: Write) -> None:
    assert (
        fault(write("name: a\nphases:\n\t- b\n"))
        == "x.yaml:3: this line starts with a tab; indent with spaces"
    )


@pytest.mark.parametrize("escape", [r"\ud800", r"\UFFFFFFFF", r"\U00110000", r"\q"])
@pytest.mark.usefixtures("either_loader")
def test_an_impossible_escape_is_an_input_error(write: Write, escape: str) -> None:
    assert fault(write(f'name: "{escape}"')).startswith("x.yaml")


# Nothing clever


@pytest.mark.usefixtures("either_loader")
def test_a_duplicate_key_names_both_lines(write: Write) -> None:
    message = fault(write("name: a\nphases:\n- name: b\n  blinded: true\n  name: c\n"))
    assert message == "x.yaml:5:phases.0.name: the key 'name' is written twice, on lines 3 and 5"


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("name: &a b", "1:name"),
        ("name: *a", "1:name"),
        ("name: !!str 5", "1:name"),
        ("name: !x 5", "1:name"),
        ("name: a\nlabels: &l {a: b}", "2:labels"),
        ("name: a\nphases:\n- *p", "3:phases.0"),
        ("name: a\n? &k labels\n: {}", "2"),
    ],
)
@pytest.mark.usefixtures("either_loader")
def test_anchors_aliases_and_tags_are_refused(write: Write, content: str, place: str) -> None:
    expected = f"x.yaml:{place}: anchors, aliases and tags (&, *, !) are not allowed: write the value itself"
    assert fault(write(content)) == expected


def test_python_objects_are_never_made(write: Write) -> None:
    assert "tags" in fault(write("name: !!python/object/apply:os.system ['true']"))


@pytest.mark.parametrize("content", ["name: a\n<<: {b: c}", "? [a]\n: b", "? {a: b}\n: c", "'': b"])
def test_a_key_is_a_word(write: Write, content: str) -> None:
    assert "a key must be a word; there are no merge keys (<<) here" in fault(write(content))


@pytest.mark.parametrize("number", [".nan", ".inf", "-.Inf", "1e400", "-1e999", "9" * 400])
def test_numbers_that_are_not_finite_are_refused_everywhere(write: Write, number: str) -> None:
    message = fault(write(f"name: a\nlabels: {{a: {number}}}"))
    assert message.startswith("x.yaml:2:labels.a: '")
    assert message.endswith("' is not a finite number")


def test_twenty_levels_are_enough(write: Write) -> None:
    assert "unknown key" in fault(write("a: " + "[" * 19 + "]" * 19))
    assert "20 levels of nesting" in fault(write("a: " + "[" * 21 + "]" * 21))


def test_ten_thousand_values_are_enough(write: Write) -> None:
    assert "more than 10000 values" in fault(write("phases:\n" + "-\n" * 10_001))


def test_a_second_document_in_a_file_is_refused(write: Write) -> None:
    assert (
        fault(write("name: a\n---\nname: b\n"))
        == "x.yaml:2: a second document starts here; write one per file"
    )


@pytest.mark.parametrize("content", ["- a\n", "root:x:0:0", "~"])
def test_the_top_of_a_file_is_a_mapping_and_other_content_is_not_shown(write: Write, content: str) -> None:
    assert fault(write(content)) == "x.yaml:1: the file must be a mapping ('key: value' lines)"


# Faults of content


def test_an_unknown_key_gets_the_nearest_spelling_and_the_keys_allowed(write: Write) -> None:
    message = fault(write(WHOLE.replace("    dose: 20 mg\n", "    dose: 20 mg\n    rout: oral\n")))
    place = "x.yaml:10:phases.0.drugs.0.rout"
    keys = "drug, dose, route, on_days, for"
    assert message == f"{place}: unknown key 'rout', did you mean 'route'? (allowed: {keys})"


def test_the_keys_allowed_in_one_of_several_shapes_are_those_of_that_shape(write: Write) -> None:
    message = fault(write("name: a\nthen: {kind: rest, days: 1, levl: 2}"), Phase)
    assert message == "x.yaml:2:then.levl: unknown key 'levl' (allowed: kind, days)"


def test_an_unknown_shape_gets_the_nearest_one(write: Write) -> None:
    message = fault(write("name: a\nthen: {kind: stres}"), Phase)
    assert message == "x.yaml:2:then: unknown value 'stres', did you mean 'stress'? (allowed: rest, stress)"


def test_an_unknown_enum_value_gets_the_nearest_spelling(write: Write) -> None:
    message = fault(write(WHOLE.replace("intravenous", "intravenus")))
    place = "x.yaml:12:phases.0.drugs.0.route"
    allowed = "(allowed: oral, intravenous)"
    assert message == f"{place}: unknown value 'intravenus', did you mean 'intravenous'? {allowed}"


def test_a_missing_key_points_at_the_mapping_that_lacks_it(write: Write) -> None:
    message = fault(write(WHOLE.replace("    dose: 20 mg\n", "")))
    assert message == "x.yaml:8:phases.0.drugs.0.dose: this key is missing"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("weight_kg: '70'", "weight_kg: must be a number, not '70'"),
        ("weight_kg: heavy", "weight_kg: must be a number, not 'heavy'"),
        ("weight_kg: true", "weight_kg: must be a number, not true"),
        ("weight_kg:", "weight_kg: must be a number, not nothing"),
        ("patients: 1.5", "patients: must be a whole number, not 1.5"),
        ("patients: '5'", "patients: must be a whole number, not '5'"),
        ("labels: {a: 5}", "labels.a: must be text, not 5"),
        ("labels: [a]", "labels: must be a mapping ('key: value' lines), not a list"),
        ("phases: {a: b}", "phases: must be a list, not a mapping"),
        ("phases: [5]", "phases.0: must be a mapping ('key: value' lines), not 5"),
        ("phases: [{name: a, blinded: yes}]", "phases.0.blinded: must be true or false, not 'yes'"),
        ("phases: [{name: a, blinded: 1}]", "phases.0.blinded: must be true or false, not 1"),
    ],
)
def test_a_wrong_type_is_told_with_the_value_and_the_type(write: Write, line: str, message: str) -> None:
    assert fault(write(f"name: a\n{line}\n")) == f"x.yaml:2:{message}"


@pytest.mark.parametrize(
    ("line", "message"),
    [("tags: 5", "tags: must be a list, not 5"), ("day: 5", "day: must be a valid date, not 5")],
)
def test_a_type_that_few_files_use_is_told_as_well(write: Write, line: str, message: str) -> None:
    assert fault(write(line), Rare) == f"x.yaml:1:{message}"


def test_a_number_out_of_range_is_told_with_the_range(write: Write) -> None:
    message = fault(write("name: a\nthen: {kind: rest, days: -1}"), Phase)
    assert message == "x.yaml:2:then.days: must be greater than 0, not -1"


def test_what_a_validator_says_is_placed_at_its_key(write: Write) -> None:
    message = fault(write(WHOLE.replace("fluoxetine-like", "flouxetine-like")))
    hint = "did you mean 'fluoxetine-like'?"
    assert message == f"x.yaml:8:phases.0.drugs.0.drug: unknown drug 'flouxetine-like', {hint}"


def test_what_the_whole_file_is_blamed_for_is_placed_at_its_start(write: Write) -> None:
    message = fault(
        write("# six\nname: a\nphases: [{name: a}, {name: a}, {name: a}, {name: a}, {name: a}, {name: a}]")
    )
    assert message == "x.yaml:2: 6 phases; at most 5 are allowed"


def test_a_quantity_without_a_unit_is_told_an_example(write: Write) -> None:
    message = fault(write(WHOLE.replace("20 mg", "20")))
    assert message.startswith("x.yaml:9:phases.0.drugs.0.dose: 20 is a number without a unit")


def test_each_fault_has_a_line(write: Write) -> None:
    lines = fault(write("nam: a\nweight_kg: b\n")).splitlines()
    assert [line.split(" ")[0] for line in lines] == [
        "x.yaml:1:name:",
        "x.yaml:2:weight_kg:",
        "x.yaml:1:nam:",
    ]


def test_a_hundred_faults_are_not_all_told(write: Write) -> None:
    lines = fault(write("phases:\n" + "- 5\n" * 100)).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "x.yaml:1: and 81 more faults"


def test_a_message_never_commands_the_terminal(write: Write) -> None:
    message = fault(write(r'"\e[31mred\nkey": 1'), Flat)
    assert all(line.isprintable() for line in message.splitlines())
    assert len(message.splitlines()) == 2


# extends


def test_a_file_is_laid_over_the_one_it_extends(write: Write) -> None:
    write(
        "name: parent\nweight_kg: 60\nlabels: {a: one, b: two}\nphases: [{name: p}, {name: q}]", "parent.yaml"
    )
    path = write("extends: parent\nname: child\nlabels: {b: three}\nphases: [{name: r}]")
    treatment = read_document(path, Treatment, find_parent=sibling)
    assert (treatment.extends, treatment.name, treatment.weight_kg) == (None, "child", 60.0)
    assert treatment.labels == {"a": "one", "b": "three"}
    assert [phase.name for phase in treatment.phases] == ["r"]


def test_a_grandparent_is_below_the_parent(write: Write) -> None:
    write("name: c\nweight_kg: 50\npatients: 5", "c.yaml")
    write("extends: c\nname: b\nweight_kg: 60", "b.yaml")
    treatment = read_document(write("extends: b\nname: a"), Treatment, find_parent=sibling)
    assert (treatment.name, treatment.weight_kg, treatment.patients) == ("a", 60.0, 5)


def test_an_inherited_fault_is_placed_in_the_parent(write: Write) -> None:
    write("name: parent\n\nweight_kg: heavy", "parent.yaml")
    message = fault(write("extends: parent\nname: child"), find_parent=sibling)
    assert message == "parent.yaml:3:weight_kg: must be a number, not 'heavy'"


def test_a_fault_in_a_list_that_replaces_the_parents_is_placed_in_the_child(write: Write) -> None:
    write("name: p\nphases:\n- name: p\n  blinded: true", "parent.yaml")
    message = fault(write("extends: parent\n\nphases:\n- blinded: false"), find_parent=sibling)
    assert message == "x.yaml:4:phases.0.name: this key is missing"


def test_a_loop_of_files_is_named_whole(write: Write) -> None:
    write("extends: c\nname: b", "b.yaml")
    write("extends: a\nname: c", "c.yaml")
    message = fault(write("name: a\nextends: b", "a.yaml"), find_parent=sibling)
    loop = "a.yaml -> b.yaml -> c.yaml -> a.yaml"
    assert message == f"c.yaml:1:extends: the files extend each other in a loop: {loop}"


def test_a_very_long_row_of_files_is_refused_in_words(write: Write) -> None:
    for number in range(1_200):
        write(f"name: n{number}\nextends: n{number + 1}", f"n{number}.yaml")
    message = fault(write("name: a\nextends: n0"), find_parent=sibling)
    assert message == "n19.yaml:2:extends: more than 20 files extend each other in a row"


def test_a_file_cannot_extend_itself(write: Write) -> None:
    assert "x.yaml -> x.yaml" in fault(write("extends: x\nname: a"), find_parent=sibling)


def test_an_unknown_parent_is_placed_at_extends(write: Write) -> None:
    def find(name: str, _: Path) -> Path:
        return Path(choose(name, ["severe"], "treatment"))

    message = fault(write("name: a\nextends: sever"), find_parent=find)
    assert message == "x.yaml:2:extends: unknown treatment 'sever', did you mean 'severe'?"


def test_a_parent_that_is_gone_is_named(write: Write) -> None:
    message = fault(write("extends: gone\nname: a"), find_parent=sibling)
    assert message == "x.yaml:1:extends: there is no file gone.yaml"


@pytest.mark.parametrize("name", [r"a\0b", "x" * 5000, "../../..", r"\u202e"])
def test_a_strange_name_of_a_parent_is_an_input_error(write: Write, name: str) -> None:
    assert fault(write(f'extends: "{name}"\nname: a'), find_parent=sibling).startswith("x.yaml:1:extends: ")


def test_only_one_file_can_be_extended(write: Write) -> None:
    message = fault(write("extends: [a, b]\nname: a"), find_parent=sibling)
    assert message == "x.yaml:1:extends: must be the name of one file, not a list"


def test_extends_is_refused_where_there_is_nowhere_to_look(write: Write) -> None:
    assert fault(write("extends: b\nname: a")) == "x.yaml:1:extends: must be left out here, not 'b'"


def test_extends_is_an_unknown_key_in_files_that_do_not_have_it(write: Write) -> None:
    assert "unknown key 'extends'" in fault(write("extends: b\nname: a"), Flat, find_parent=sibling)


# Places and words


def test_a_fault_found_later_can_still_be_placed(write: Write) -> None:
    treatment, places = read_document_with_places(write(WHOLE), Treatment)
    assert treatment.phases[0].drugs[0].drug == "fluoxetine-like"
    error = places.error(("phases", 0, "drugs", 0, "drug"), "is not in stock")
    assert str(error) == "x.yaml:8:phases.0.drugs.0.drug: is not in stock"


def test_a_key_left_to_its_default_is_placed_at_its_mapping(write: Write) -> None:
    _, places = read_document_with_places(write(WHOLE), Treatment)
    assert (
        str(places.error(("phases", 0, "then", "level"), "is low")) == "x.yaml:13:phases.0.then.level: is low"
    )
    assert str(places.error(("patients",), "are few")) == "x.yaml:1:patients: are few"


def test_the_nearest_word_is_offered_whatever_its_capitals() -> None:
    assert nearest("KETAMINE", ["ketamine", "ssri"]) == ", did you mean 'ketamine'?"
    assert nearest("x", ["ketamine", "ssri"]) == ""
    assert nearest("x" * 1_000_000, ["ketamine"]) == ""


def test_choose_gives_back_a_known_word() -> None:
    assert choose("a", ("a", "b"), "drug") == "a"
    with pytest.raises(ValueError, match=r"^unknown drug 'zzz' \(known: a, b\)$"):
        choose("zzz", ("a", "b"), "drug")


def test_editors_get_a_json_schema_with_the_keys_and_units_as_written() -> None:
    drug = json_schema(Treatment)["$defs"]["Drug"]
    assert drug["additionalProperties"] is False
    assert drug["required"] == ["drug", "dose"]
    assert drug["properties"]["for"]["default"] == "24 h"
    assert drug["properties"]["dose"]["examples"] == ["0.5 mg/kg"]
    assert json.dumps(json_schema(Treatment))


# Any file at all

MARKS = ["name", "phases", "extends", ": ", ":\n", "\n", "\n- ", "  ", "[", "]", "{", "}", ",", '"', "'", "#"]
MORE_MARKS = ["&a ", "*a", "!!str ", "? ", "<<: ", "|\n", ">\n", "%", "---\n", "...\n", "\t"]
WORDS = ["1e9", ".nan", "~", "yes", "5 mg"]
CONTENT = (
    st.binary()
    | st.text().map(str.encode)
    | st.lists(st.sampled_from(MARKS + MORE_MARKS + WORDS)).map("".join).map(str.encode)
)
SLOW = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SLOW
@given(CONTENT)
@pytest.mark.usefixtures("either_loader")
def test_any_bytes_are_a_document_or_an_input_error(write: Write, content: bytes) -> None:
    assert all(line.startswith("x.yaml:") for line in told(write(content), find_parent=sibling))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["name", "drugs"]), inner),
    max_leaves=20,
)


@SLOW
@given(st.dictionaries(st.sampled_from(list(Treatment.model_fields)), JSON))
def test_any_values_under_known_keys_are_a_document_or_an_input_error(
    write: Write, data: dict[str, Any]
) -> None:
    assert all(line.startswith("x.yaml:") for line in told(write(json.dumps(data))))


PRINTABLE = st.characters(exclude_categories=["C", "Zl", "Zp"])


@SLOW
@given(st.text(PRINTABLE, min_size=1), st.text(PRINTABLE), st.integers(), st.floats(0, 1e300))
def test_any_text_and_number_survive_being_written_and_read(
    write: Write, name: str, label: str, patients: int, weight: float
) -> None:
    data = {"name": name, "labels": {name: label}, "patients": patients, "weight_kg": weight}
    path = write(json.dumps(data, ensure_ascii=False))
    assert read_document(path, Treatment) == Treatment.model_validate(data)


OPENED = [
    "[",
    "{",
    "- ",
    "-\n",
    "? ",
    "a: ",
    "a\n",
    "'",
    '"',
    "&a [*a, ",
    "*a ",
    "!a ",
    "#",
    "%",
    "|",
    "{a: ",
    "-",
]
REPEATED = [
    "\n",
    "\t",
    " ",
    "a: b\n",
    "- 5 m\n",
    "[],",
    "a,",
    ",",
    "1",
    "\\",
    "é",
    "\u2028",
    "---\n",
    "- [a]\n",
]


@pytest.mark.parametrize("piece", OPENED + REPEATED)
@pytest.mark.parametrize("start", ["", "phases: ", "phases:\n", "labels:\n  ", "- [", '"', "name: |\n  "])
def test_garbage_never_takes_longer_than_a_second(write: Write, start: str, piece: str) -> None:
    content = (start + piece * 1_000_000).encode()[:990_000].decode(errors="ignore")
    path = write(content)
    began = time.process_time()
    assert len("".join(told(path))) < 10_000
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    "drug", ["{drug: fluoxetin, dose: 5 m, for: 5 weaks, rout: orl}", "{}", "{a: b, c: d}"]
)
def test_thousands_of_faults_never_take_longer_than_a_second(write: Write, drug: str) -> None:
    path = write(
        "name: a\nphases:\n- name: b\n  drugs:\n" + f"  - {drug}\n" * (9_900 // (drug.count(":") + 1))
    )
    began = time.process_time()
    assert len(fault(path).splitlines()) == 21
    assert time.process_time() - began < 1.0
