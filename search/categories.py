"""The shop's tree of categories with what is in it."""

from dataclasses import dataclass, field

from catalog.models import Category, Product
from search.kept import Kept

# Levels that are shown; JSON that is nested much deeper cannot be written, nor read by most.
MAX_DEPTH = 100


@dataclass
class CategoryNode:
    """A category; `product_count` counts active products in it and in everything below it."""

    slug: str
    name: str
    path: str
    product_count: int
    children: list["CategoryNode"] = field(default_factory=list)


def category_tree() -> list[CategoryNode]:
    """The tree as it was some seconds ago at most; see Kept."""
    return _tree.value()


def forget() -> None:
    """Read the tree anew on the next question."""
    _tree.forget()


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


_tree = Kept(read_category_tree)
