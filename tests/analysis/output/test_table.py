"""Tables: one content, shown in four ways, with nothing cut off."""

import numpy as np
import pandas as pd
from unstuck_analysis.output.table import Column, Table

FRAME = pd.DataFrame(
    {
        "treatment": ["ssri-like", 'a, "b"'],
        "onset_day": [1 / 3, np.nan],
        "patients": [16, 3],
        "recovered": pd.array([True, None], dtype="boolean"),
    }
)
COLUMNS = (Column("onset_day", "onset", "d", "first day with R at least 0.5", ".1f", "none"),)


def test_csv_equals_that_of_pandas() -> None:
    assert Table.of(FRAME).csv() == FRAME.to_csv(index=False)


def test_json_records_hold_plain_values_and_null_for_what_is_missing() -> None:
    first, second = Table.of(FRAME).records()
    assert first == {"treatment": "ssri-like", "onset_day": 1 / 3, "patients": 16, "recovered": True}
    assert (second["onset_day"], second["recovered"]) == (None, None)


def test_people_read_heading_unit_format_and_what_is_missing() -> None:
    table = Table.of(FRAME, COLUMNS)
    lines = table.terminal(80).splitlines()
    assert lines[0].split() == ["treatment", "onset", "(d)", "patients", "recovered"]
    assert lines[2].split() == ["ssri-like", "0.3", "16", "yes"]
    assert lines[3].split()[-3:] == ["none", "3", "-"]
    assert table.meanings() == ["onset (d): first day with R at least 0.5"]


def test_a_terminal_table_fits_its_width_and_keeps_every_word() -> None:
    text = "a long sentence that has to be wrapped over several lines of the table to fit"
    table = Table([Column("name"), Column("text"), Column("other")], [["x", text, text]])
    lines = table.terminal(60).splitlines()
    assert max(map(len, lines)) <= 60
    assert sorted(" ".join(lines).split()[6:]) == sorted(["x", *text.split(), *text.split()])


def test_a_table_whose_words_do_not_fit_is_printed_as_one_block_per_row() -> None:
    columns = [Column("treatment"), *(Column(f"{'x' * 20}{k}") for k in range(6))]
    lines = Table(columns, [["ssri-like", *range(6)]]).terminal(80).splitlines()
    assert lines[0] == "ssri-like"
    assert lines[1:] == [f"  {'x' * 20}{k}: {k}" for k in range(6)]


def test_html_has_a_scope_for_every_header_and_escapes_texts() -> None:
    html = Table.of(FRAME, COLUMNS, "Onset <days>").html()
    assert html.count('scope="col"') == 4
    assert html.count('scope="row"') == 2
    assert "<caption>Onset &lt;days&gt;</caption>" in html
    assert "a, &quot;b&quot;" in html


def test_markdown_escapes_the_bar_that_separates_cells() -> None:
    assert Table([Column("a")], [["x|y"]]).markdown() == "| a |\n| --- |\n| x\\|y |"


def test_picked_columns_keep_their_order_and_meaning() -> None:
    picked = Table.of(FRAME, COLUMNS).pick("patients", "onset_day")
    assert [column.title for column in picked.columns] == ["patients", "onset (d)"]
    assert picked.rows[0] == [16, 1 / 3]
