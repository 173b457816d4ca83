"""The database keeps the tree of categories right, whoever writes."""

import threading

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError

from catalog.models import Category

pytestmark = pytest.mark.django_db


@pytest.fixture
def drills(make_category):
    return make_category("Tools", "Power tools", "Drills")


def test_path_and_full_name_repeat_the_ancestors(drills):
    assert drills.path == "tools/power-tools/drills"
    assert drills.full_name == "Tools > Power tools > Drills"
    assert str(drills) == "Tools > Power tools > Drills"


def test_a_rename_reaches_everything_below(drills):
    tools = Category.objects.get(slug="tools")
    tools.name, tools.slug = "Workshop", "workshop"
    tools.save()
    drills.refresh_from_db()
    assert drills.path == "workshop/power-tools/drills"
    assert drills.full_name == "Workshop > Power tools > Drills"


def test_a_rename_by_raw_sql_reaches_everything_below(drills):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE catalog_category SET name = 'Machines' WHERE slug = 'power-tools'")
    drills.refresh_from_db()
    assert drills.full_name == "Tools > Machines > Drills"


def test_a_move_reaches_everything_below(drills, make_category):
    garden = make_category("Garden")
    Category.objects.filter(slug="power-tools").update(parent=garden)
    drills.refresh_from_db()
    assert drills.path == "garden/power-tools/drills"
    Category.objects.filter(slug="power-tools").update(parent=None)
    drills.refresh_from_db()
    assert drills.path == "power-tools/drills"


def test_a_false_path_is_put_right(drills):
    Category.objects.filter(pk=drills.pk).update(path="elsewhere", full_name="Elsewhere")
    drills.refresh_from_db()
    assert (drills.path, drills.full_name) == ("tools/power-tools/drills", "Tools > Power tools > Drills")


@pytest.mark.parametrize("below", ["tools", "power-tools", "drills"])
def test_a_category_is_never_below_itself(drills, below):
    tools = Category.objects.get(slug="tools")
    parent = Category.objects.get(slug=below)
    with pytest.raises(IntegrityError, match="below itself"), transaction.atomic():
        Category.objects.filter(pk=tools.pk).update(parent=parent)
    tools.parent = parent
    with pytest.raises(ValidationError, match="below itself"):
        tools.full_clean()


def test_a_branch_that_would_become_too_deep_is_refused_before_the_database_does(make_category):
    long = make_category(*(f"{'x' * 99}{n}" for n in range(8)))
    root = make_category(f"{'y' * 110}", f"{'z' * 110}")
    top = Category.objects.get(path=long.path.split("/")[0])
    top.parent = root
    with pytest.raises(ValidationError, match="too deep"):
        top.full_clean()


def test_a_prefix_of_a_slug_is_no_ancestor(make_category):
    make_category("Tool")
    make_category("Tools", "Saws")
    assert [c.slug for c in Category.objects.subtree(["tool"])] == ["tool"]
    assert [c.slug for c in Category.objects.subtree(["tools"])] == ["tools", "saws"]


def test_a_category_with_products_or_children_is_not_deleted(drills, make_product):
    make_product(category=drills)
    with pytest.raises(ProtectedError):
        drills.delete()
    with pytest.raises(ProtectedError):
        Category.objects.get(slug="tools").delete()


@pytest.mark.django_db(transaction=True)
def test_two_moves_at_a_time_make_no_cycle(make_category):
    a, b = make_category("A", "A1"), make_category("B", "B1")
    barrier = threading.Barrier(2)
    failures = []

    def move(slug: str, below: Category) -> None:
        try:
            with transaction.atomic():
                barrier.wait(5)
                Category.objects.filter(slug=slug).update(parent=below)
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=move, args=args) for args in (("a", b), ("b", a))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(failures) == 1
    for category in Category.objects.all():
        above, steps = category.parent, 0
        while above:
            above, steps = above.parent, steps + 1
            assert steps < 5
        assert category.path.count("/") == steps
