"""Measuring and tuning on judgments, by their commands."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from catalog.models import Product
from search.evaluation import JudgmentsError, read_judgments

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("demo")]


@pytest.fixture
def judgments(tmp_path: Path) -> Path:
    drill = Product.objects.filter(name__icontains="hammer drill").order_by("sku")[0]
    pan = Product.objects.filter(name__icontains="frying pan").order_by("sku")[0]
    path = tmp_path / "judgments.csv"
    path.write_text(
        "query,sku,grade\n"
        f"drill for concrete,{drill.sku},3\ndrill for concrete,{pan.sku},0\n"
        f"frying pan,{pan.sku},3\nnothing here,{pan.sku},0\n"
    )
    return path


def test_every_mode_is_measured(judgments: Path) -> None:
    out = StringIO()
    call_command("evaluate_search", judgments=judgments, json=True, stdout=out)
    modes = json.loads(out.getvalue())["modes"]
    assert list(modes) == ["hybrid", "rrf", "semantic", "keyword"]
    for figures in modes.values():
        assert figures["queries"] == 2
        assert set(figures) == {"ndcg@10", "ndcg@10_judged", "mrr@10", "recall@100", "judged@10", "queries"}
    assert modes["hybrid"]["ndcg@10"] > 0.5


def test_the_table_names_the_weak_queries(judgments: Path) -> None:
    out = StringIO()
    call_command("evaluate_search", judgments=judgments, modes=["keyword"], stdout=out)
    assert "drill for concrete" in out.getvalue()


def test_tuning_says_what_to_set(judgments: Path) -> None:
    out = StringIO()
    call_command("tune_search", judgments=judgments, stdout=out)
    assert "SEARCH_SEMANTIC_WEIGHT=" in out.getvalue()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("query,sku\na,b\n", "no column grade"),
        ("query,sku,grade\na,b,good\n", "line 2: the grade"),
        ("query,sku,grade\na,b\n", "line 2: the grade"),
    ],
)
def test_a_bad_file_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(JudgmentsError, match=message):
        read_judgments(path)
    with pytest.raises(CommandError, match=message):
        call_command("evaluate_search", judgments=path)


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("evaluate_search", judgments=tmp_path / "none.csv")
