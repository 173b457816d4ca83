"""The shop's tree of categories with what is in it."""

import threading
import time
from dataclasses import dataclass, field

from catalog.models import Category, Product

# Levels that are shown; JSON that is nested much deeper cannot be written, nor read by most.
MAX_DEPTH = 100
# Counting 100,000 products takes tens of milliseconds; clients keep the answer for a minute anyway.
KEPT_FOR_S = 5.0


@dataclass
class CategoryNode:
    """A category; `product_count` counts active products in it and in everything below it."""

    slug: str
    name: str
    path: str
    product_count: int
    children: list["CategoryNode"] = field(default_factory=list)


_kept: tuple[float, list[CategoryNode]] | None = None
_reading = threading.Lock()


def category_tree() -> list[CategoryNode]:
    """The tree as it was KEPT_FOR_S seconds ago at most; while one thread reads, the others show what they have."""
    global _kept
    kept = _kept
    if kept is not None and (time.monotonic() < kept[0] or _reading.locked()):
        return kept[1]
    with _reading:
        if _kept is None or time.monotonic() >= _kept[0]:
            _kept = (time.monotonic() + KEPT_FOR_S, read_category_tree())
        return _kept[1]


def forget() -> None:
    """Read the tree anew on the next question."""
    global _kept
    _kept = None


def read_category_tree() -> list[CategoryNode]:
    """The roots of the tree, by path, in two queries. Below MAX_DEPTH levels, categories are only counted."""
    counts = Product.objects.active().count_by_category()
    rows = Category.objects.order_by("path").values_list("pk", "parent_id", "slug", "name", "path")
    nodes: dict[int, CategoryNode] = {}
    parents: dict[int, int | None] = {}
    for pk, parent, slug, name, path in rows:
        nodes[pk] = CategoryNode(slug, name, path, counts.get(pk, 0))
        parents[pk] = parent
    # A path is longer than its parent's: from the longest on, every count is complete when it is passed up.
    for pk in sorted(nodes, key=lambda one: len(nodes[one].path), reverse=True):
        if (above := parents[pk]) is not None:
            nodes[above].product_count += nodes[pk].product_count
    for pk, node in nodes.items():
        if (above := parents[pk]) is not None and node.path.count("/") < MAX_DEPTH:
            nodes[above].children.append(node)
    return [node for pk, node in nodes.items() if parents[pk] is None]
