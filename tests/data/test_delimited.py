"""The fast reader and the strict one read the same tables."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nettrain.data import delimited

cells = st.text(alphabet='ab1.,;"\n\r \té', max_size=5)
tables = st.integers(2, 4).flatmap(
    lambda width: st.lists(
        st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=5
    )
)


@given(tables, st.sampled_from([",", ";", "\t"]), st.sampled_from(["\n", "\r\n"]))
def test_strict_reads_what_the_csv_module_writes(
    rows: list[list[str]], delimiter: str, end: str
) -> None:
    text = io.StringIO(newline="")
    # Python 3.11 leaves a lone carriage return without quotes.
    quoting = (
        csv.QUOTE_ALL
        if any("\r" in cell for row in rows for cell in row)
        else csv.QUOTE_MINIMAL
    )
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerow([f"c{i}" for i in range(len(rows[0]))])
    writer.writerows(rows)
    read = [
        [cell.text for cell in record]
        for record in delimited.records(text.getvalue(), delimiter)
    ]
    assert read[1:] == [[cell.strip() for cell in row] for row in rows]
    table = delimited.read(text.getvalue().encode(), "f", delimiter)
    columns = [list(column) for column in table.columns]
    assert columns == [[row[i].strip() for row in rows] for i in range(len(rows[0]))]


@given(st.text(alphabet='ab1,"\n\r ', max_size=30))
def test_whatever_the_fast_reader_accepts_the_strict_one_reads_alike(text: str) -> None:
    fast = delimited._fast(text, ",")
    if fast is not None:
        strict = [[c.text for c in r] for r in delimited.records(text, ",")]
        assert [[cell.strip() for cell in row] for row in fast] == strict


@given(st.text(alphabet='ab1,"\n\r ', max_size=30))
def test_every_cell_is_found_again_at_its_place(text: str) -> None:
    lines = delimited._LINE_END.split(text)
    for record in delimited.records(text, ","):
        for cell in record:
            place = cell.place(text, "f")
            assert place.text == lines[cell.line - 1]
            assert place.column is not None
            shown = place.text[place.column - 1 :]
            if not shown.startswith('"'):
                assert shown[: place.width].strip(' ,"') == cell.text.strip(' ,"')


def test_only_the_strict_reading_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "records", None)
    assert len(delimited.read(b"a,b\n1,2\n", "f")) == 1


def test_cells_that_count_as_missing_can_be_chosen() -> None:
    text = b"country,a\nNA,?\nDE,1\n"
    assert delimited.read(text, "f").columns == [["", "DE"], ["?", "1"]]
    table = delimited.read(text, "f", missing=("", "?"))
    assert table.columns == [["NA", "DE"], ["", "1"]]
