"""Tables of judgments: what is written is read again, and what is wrong is named by its line."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.judgments import JudgmentsError, Row, by_query, measurable, read, write

ODD = ["=1+1", "'=1+1", "''-x", "@home", '"quoted", comma', "two\nlines", "-drill", "'tis", "ÿ電源", "a;b\tc"]


def round_trip(rows: list[Row]) -> list[Row]:
    file = io.StringIO(newline="")
    write(rows, file)
    file.seek(0)
    table = read(file)
    assert table.problems == []
    return table.rows


@pytest.mark.parametrize("text", ODD)
def test_odd_texts_survive(text: str) -> None:
    assert round_trip([Row(text, "S-1", 3), Row("plain", "-1", 0)]) == [
        Row(text, "S-1", 3),
        Row("plain", "-1", 0),
    ]


@given(
    st.lists(
        st.builds(
            Row,
            st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40).map(str.strip),
            st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20),
            st.integers(0, 3),
        ).filter(lambda row: row.query),
        unique_by=lambda row: (row.query, row.sku),
    )
)
def test_any_table_survives(rows: list[Row]) -> None:
    assert round_trip(rows) == rows


def test_no_cell_starts_a_formula() -> None:
    file = io.StringIO(newline="")
    write([Row("=HYPERLINK(1)", "@SKU", 1)], file)
    assert file.getvalue() == "query,sku,grade\r\n'=HYPERLINK(1),'@SKU,1\r\n"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_spreadsheets_part_columns_their_own_way(delimiter: str) -> None:
    lines = [delimiter.join(cells) for cells in (("sku", "grade", "query"), ("S-1", "2", "red shoes"))]
    assert read(lines).rows == [Row("red shoes", "S-1", 2)]


def test_every_bad_row_is_named_with_its_line() -> None:
    lines = [
        "query,sku,grade\n",
        "a,b,good\n",
        "a,b,1\n",
        "a,b\n",
        ",b,1\n",
        "a,,1\n",
        "a,b,²\n",
        "a,b,-1\n",
        "a,b,4\n",
    ]
    lines += [f"{'x' * 513},b,1\n", f"a,{'x' * 65},1\n", f"a,b,{'9' * 5000}\n"]
    table = read(lines, highest=3)
    assert table.rows == [Row("a", "b", 1)]
    assert [problem.split(":")[0] for problem in table.problems] == [
        f"line {number}" for number in (2, 4, 5, 6, 7, 8, 9, 10, 11, 12)
    ]
    assert "from 0 to 3, not “good”" in table.problems[0]
    assert all(len(problem) < 200 for problem in table.problems)


def test_of_two_grades_for_the_same_neither_holds_in_silence() -> None:
    lines = ["query,sku,grade\n", "a,b,3\n", "a,c,1\n", "a,b,3\n", "a,b,0\n", "b,b,0\n", "a,c,2\n"]
    table = read(lines)
    assert table.rows == [Row("a", "b", 3), Row("a", "c", 1), Row("a", "b", 3), Row("b", "b", 0)]
    assert table.problems == [
        "line 5: the grade is 0, but 3 in line 2 for the same query and sku; keep one of them.",
        "line 7: the grade is 2, but 1 in line 3 for the same query and sku; keep one of them.",
    ]


def test_too_many_rows_are_not_read_to_their_end() -> None:
    endless = ("a,b,1\n" for _ in iter(int, 1))
    with pytest.raises(JudgmentsError, match="more than 10 rows"):
        read((line for lines in (["query,sku,grade\n"], endless) for line in lines), most=10)


@pytest.mark.parametrize("text", ["", "\n", "a,b\n1,2\n"])
def test_what_is_no_such_table_is_refused(text: str) -> None:
    with pytest.raises(JudgmentsError, match="no column"):
        read(io.StringIO(text))


def test_the_later_of_two_rows_holds_and_hopeless_queries_are_left_out() -> None:
    rows = [Row("a", "1", 3), Row("b", "1", 0), Row("a", "1", 2)]
    assert by_query(rows) == {"a": {"1": 2}, "b": {"1": 0}}
    assert measurable(by_query(rows)) == {"a": {"1": 2}}
