"""The report: one file that needs nothing else, opened in a real browser."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import Compared
from unstuck.engine.step import Accuracy
from unstuck_analysis.compare import Comparison, compare, paired_difference, run
from unstuck_analysis.figures import recovery_figure
from unstuck_analysis.output import page as pages
from unstuck_analysis.output.export import write_table
from unstuck_analysis.output.files import StorageError, write_whole
from unstuck_analysis.output.table import Column, Table
from unstuck_analysis.report import PatientAnswer, comparison_report, start_notes

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LOADS = re.compile(
    r"""(?:src|href|action|poster|data|srcset)\s*=\s*["']?(?!data:|#)[^"'>\s]+|url\((?!["']?(?:data:|#))"""
)


@pytest.fixture(scope="session")
def page(compared: Compared) -> str:
    return (compared.folder / "report.html").read_text(encoding="utf-8")


def test_the_report_loads_nothing_from_elsewhere(page: str) -> None:
    assert LOADS.findall(page) == []
    for forbidden in ("<script", "@import", "<link", "<iframe", 'http-equiv="refresh'):
        assert forbidden not in page


def test_the_report_says_what_the_issue_asks_of_it(page: str) -> None:
    words = [
        *("2 virtual patients", "100 neurons", "untreated", "ssri-like", "ketamine-like"),
        *("unstuck compare", "--patients 2", "--seed 3", "numpy", "Python"),
        *("Serotonin", "BDNF", "Firing", "Limits", "not medical advice", "No placebo response"),
    ]
    missing = [word for word in words if word.lower() not in page.lower()]
    assert missing == []


def test_the_report_names_everything_that_decided_its_numbers(page: str) -> None:
    told = [
        *(
            f"slow state {Accuracy().slow:g} per step, firing {Accuracy().firing:g}",
            "Patients of generation 2",
        ),
        *(r"parameters.csv (shipped, sha256 [0-9a-f]{12}): .*\d+ fitted", r"cohort.yaml (shipped, sha256"),
        *(f"treatments/{name}.yaml (shipped, sha256" for name in ("untreated", "ssri-like")),
        *("drugs/ketamine-like.yaml (shipped", "circuits/default.yaml (shipped"),
    ]
    for words in told:  # with a digest written as a pattern
        assert re.search(words.replace("(", r"\(").replace(")", r"\)"), page), words


LOCAL = "title: Local\nextends: mild\n"
MILD = "title: Mild\nextends: untreated\nphases:\n  stress: {stress: 0.5}\n"


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Three patients of 100 neurons under a mild way to day 0, next to the usual one."""
    folder = tmp_path_factory.mktemp("mixed")
    (folder / "mild.yaml").write_text(MILD)
    (folder / "a$x^$.yaml").write_text(LOCAL)
    return compare([str(folder / "a$x^$.yaml"), "untreated"], patients=3, neurons=100, seed=1)


def test_only_patients_who_were_stuck_in_both_arms_are_paired(mixed: Comparison) -> None:
    first, second = (set(mixed.arm(treatment.name).patient) for treatment in mixed.treatments)
    assert first
    assert first < second
    series = mixed.series[(mixed.series.day == 84) & mixed.series.patient.isin(first)]
    recovery = series.pivot(index="patient", columns="treatment", values="recovery")
    expected = (recovery["untreated"] - recovery["a$x^$"]).mean()
    assert paired_difference(mixed, "untreated")["mean"] == pytest.approx(expected)


def test_who_was_not_stuck_is_named_and_other_stuck_states_are_told(mixed: Comparison) -> None:
    notes, left_out = start_notes(mixed), mixed.never_stuck("a$x^$")
    assert left_out
    assert notes[0].startswith("Patient")
    assert f"{', '.join(map(str, left_out))} did not become stuck under a$x^$." in notes[0]
    assert any(note.startswith("Not the same stuck state under every treatment") for note in notes)


def test_a_report_with_any_file_name_is_whole_and_claims_no_state_that_is_not_shared(
    mixed: Comparison,
) -> None:
    made = comparison_report(mixed, "unstuck compare 'a$x^$.yaml'", recovery_figure(mixed))
    assert made.rstrip().endswith("</html>")
    assert "very same state" not in made
    assert re.search(r"a\$x\^\$\.yaml \(local, sha256 [0-9a-f]{12}\)", made)
    assert re.search(r"mild\.yaml \(local, sha256", made)


def test_every_figure_has_a_text_for_those_who_do_not_see_it(page: str) -> None:
    images = re.findall(r"<img[^>]*>", page)
    assert len(images) == 3
    assert all(re.search(r'alt="[^"]{8,}"', image) for image in images)


def test_alternative_texts_state_the_result(page: str) -> None:
    for text in re.findall(r'alt="([^"]*)"', page):
        assert re.search(r"\d\.\d|\d %", text), text


def test_headers_have_a_scope_and_the_page_has_one_main_part(page: str) -> None:
    assert page.count("<main>") == 1
    assert all("scope=" in header for header in re.findall(r"<th[ >][^>]*", page))


def test_settings_are_a_definition_list_in_a_fold(page: str) -> None:
    assert re.search(r"<details><summary>Settings</summary><dl><dt>patients</dt><dd>2</dd>", page)


def test_below_five_patients_the_report_says_that_intervals_mean_little(page: str) -> None:
    assert "Fewer than 5 stuck patients: shares and intervals mean little." in page


def test_the_words_of_a_report_are_those_of_the_glossary() -> None:
    glossary = (Path(__file__).parents[2] / "docs" / "glossary.md").read_text(encoding="utf-8")
    for word, meaning in pages.WORDS.items():
        assert f"| {word} | {meaning} |" in glossary


def test_what_files_say_cannot_become_markup() -> None:
    table = Table([Column("<u>")], [["<s>x"]]).html()
    parts = [pages.heading("<i>h</i>"), table, pages.paragraph("<em>"), pages.fold("<q>", {"<kbd>": "<ins>"})]
    made = pages.page("<b>t</b>", "<script>q</script>", parts)
    assert not re.search(r"<(b|script|i|u|s|em|q|kbd|ins)>", made)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found")
def test_the_report_opens_in_a_browser_without_a_complaint(compared: Compared) -> None:
    from playwright.sync_api import sync_playwright

    complaints: list[str] = []
    requests: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url.split(",")[0]))
        page.goto((compared.folder / "report.html").as_uri())
        sizes = page.evaluate("[...document.images].map(image => [image.complete, image.naturalWidth])")
        overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        cells = "[...document.querySelectorAll('table, td, th')]"
        cut = f"{cells}.filter(e => e.scrollWidth > e.clientWidth + 1).length"
        lost = [page.evaluate(cut)]
        page.emulate_media(media="print")
        page.set_viewport_size({"width": 794, "height": 1123})  # A4
        lost.append(page.evaluate(cut))
        printed = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        rows = page.locator("table").first.locator("tbody tr").count()
        browser.close()
    assert complaints == []
    assert all(url.startswith(("file:", "data:")) for url in requests)
    assert len(sizes) == 3
    assert all(complete and width > 100 for complete, width in sizes)
    assert overflow <= 0
    assert printed <= 0
    assert lost == [0, 0]
    assert rows == 5


# Files on disk


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_whole(tmp_path / "table.csv", b"earlier")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match=r"table\.csv: cannot be written: No space left"):
        write_whole(tmp_path / "table.csv", b"later")
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]
    assert (tmp_path / "table.csv").read_bytes() == b"earlier"


def test_a_file_system_that_turned_read_only_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("os.fsync", read_only)
    monkeypatch.setattr(Path, "unlink", read_only)
    with pytest.raises(StorageError, match=r"table\.csv: cannot be written: Read-only file system"):
        write_whole(tmp_path / "table.csv", b"later")


def test_a_table_survives_the_disk_bit_by_bit(tmp_path: Path) -> None:
    frame = pd.DataFrame({"seed": [1, 2], "onset_day": [np.pi, np.nan], "treatment": ["a", "b"]})
    write_table(tmp_path / "table.parquet", frame)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "table.parquet"), frame, check_exact=True)


def test_the_next_step_after_one_patient_names_the_circuit(tmp_path: Path) -> None:
    found = run("untreated", neurons=0, circuit="ocd")
    assert PatientAnswer(found, 0, tmp_path, "ocd").next_step.endswith("--seed 1 --circuit ocd")
    assert PatientAnswer(found, 0, tmp_path).next_step.endswith("--seed 1")
