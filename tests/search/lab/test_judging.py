"""Judgments: one at a time, or from a table."""

import io
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from search.exceptions import LabError
from search.judgments import write
from search.lab import judging
from search.lab.models import Judgment, JudgmentList

pytestmark = pytest.mark.django_db


@pytest.fixture
def empty() -> JudgmentList:
    return JudgmentList.objects.create(name="Empty")


def load(judgments: JudgmentList, text: str | bytes, author: User) -> tuple[int, int]:
    data = text.encode() if isinstance(text, str) else text
    return judging.import_file(judgments, io.BytesIO(data), len(data), author)


def export(judgments: JudgmentList) -> str:
    file = io.StringIO(newline="")
    write(judging.rows_of(judgments), file)
    return file.getvalue()


def test_a_judgment_is_made_changed_and_taken_back(
    empty: JudgmentList, author: User, make_product: Any
) -> None:
    sku = make_product().sku
    judging.judge(empty, " hammer ", sku, 2, author)
    judging.judge(empty, "hammer", sku, 3, author)
    one = Judgment.objects.get()
    assert (one.query, one.sku, one.grade, one.by) == ("hammer", sku, 3, author)
    assert judging.grades_of(empty, "hammer") == {sku: 3}
    judging.judge(empty, "hammer", sku, None, author)
    assert not Judgment.objects.exists()


@pytest.mark.parametrize(
    ("query", "sku", "grade"),
    [
        ("", "", 1),
        ("x" * 513, "", 1),
        ("a\x00b", "", 1),
        ("a", "none", 1),
        ("a", "\x00", 1),
        ("a", "", 4),
        ("a", "", -1),
    ],
)
def test_what_cannot_be_judged_is_refused(
    empty: JudgmentList, author: User, make_product: Any, query: str, sku: str, grade: int
) -> None:
    with pytest.raises(LabError):
        judging.judge(empty, query, sku or make_product().sku, grade, author)


def test_the_database_refuses_other_grades_and_second_judgments(empty: JudgmentList) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Judgment.objects.create(list=empty, query="a", sku="b", grade=4)
    Judgment.objects.create(list=empty, query="a", sku="b", grade=3)
    with pytest.raises(IntegrityError), transaction.atomic():
        Judgment.objects.create(list=empty, query="a", sku="b", grade=3)


def test_an_export_is_imported_as_it_was(empty: JudgmentList, author: User) -> None:
    rows = 'query,sku,grade\n"a, ""b""",S-1,3\n\'=1+1,S-2,0\n電源,-1,1\n'
    assert load(empty, rows, author) == (3, 3)
    other = JudgmentList.objects.create(name="Other")
    assert load(other, export(empty), author) == (3, 3)
    assert export(other) == export(empty)
    assert Judgment.objects.filter(list=other, query="=1+1", sku="S-2").exists()


def test_an_import_replaces_grades_and_survives_missing_products(
    empty: JudgmentList, author: User, make_product: Any
) -> None:
    sku = make_product().sku
    assert load(empty, f"query,sku,grade\nhammer,{sku},1\nhammer,gone,2\nhammer,{sku},1\n", author) == (2, 1)
    assert load(empty, f"\ufeffquery;sku;grade\nhammer;{sku};0\n", author) == (1, 0)
    assert judging.grades_of(empty, "hammer") == {sku: 0, "gone": 2}


def test_one_bad_row_and_nothing_is_imported(empty: JudgmentList, author: User) -> None:
    with pytest.raises(LabError) as caught:
        load(empty, "query,sku,grade\na,b,1\na,c,7\na,d,x\n", author)
    assert len(caught.value.problems) == 2
    assert caught.value.problems[0].startswith("line 3: the grade must be a whole number from 0 to 3")
    assert not Judgment.objects.exists()


def test_nothing_is_imported_where_one_product_has_two_grades(empty: JudgmentList, author: User) -> None:
    with pytest.raises(LabError) as caught:
        load(empty, "query,sku,grade\na,b,1\na,c,2\na,b,3\n", author)
    (named,) = caught.value.problems
    assert named.startswith("line 4: the grade is 3, but 1 in line 2")
    assert not Judgment.objects.exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no column"),
        (b"query,sku,grade\n", "no judgments"),
        (b"query,sku,grade\n\xff,b,1\n", "not UTF-8"),
        (b"query,sku,grade\n" + b"a,b,1\n" * 20_001, "more than 20,000 rows"),
        (b"x" * (5 * 1024 * 1024 + 1), "larger than 5 MB"),
    ],
)
def test_a_bad_file_is_refused_with_the_reason(
    empty: JudgmentList, author: User, data: bytes, message: str
) -> None:
    with pytest.raises(LabError, match=message):
        load(empty, data, author)


def test_a_list_has_an_end(empty: JudgmentList, author: User, monkeypatch: Any, make_product: Any) -> None:
    monkeypatch.setattr(judging, "MAX_JUDGMENTS", 2)
    with pytest.raises(LabError, match="too long"):
        load(empty, "query,sku,grade\na,b,1\na,c,1\na,d,1\n", author)
    assert not Judgment.objects.exists()
    load(empty, "query,sku,grade\na,b,1\na,c,1\n", author)
    with pytest.raises(LabError, match="full"):
        judging.judge(empty, "a", make_product().sku, 1, author)
