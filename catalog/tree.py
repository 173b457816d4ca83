"""From a path of names to a category, made where it is missing."""

import re
from dataclasses import dataclass
from itertools import count

from django.utils.text import slugify

from catalog.exceptions import RowError
from catalog.models import MAX_PATH_LENGTH, Category

_SLUG_LIKE = re.compile(r"[^\W_A-Z]+(-[^\W_A-Z]+)*")
_MAX_SLUG = Category._meta.get_field("slug").max_length or 0


@dataclass(frozen=True, slots=True)
class _Node:
    id: int
    path: str
    full_name: str


class CategoryTree:
    """The shop's categories, held in memory while many paths are looked up.

    Within a parent, a name is matched whatever its case; a category also answers to its slug, so that
    `power-tools` and `Power tools` are the same place.
    """

    def __init__(self, *, dry_run: bool = False) -> None:
        self._dry_run = dry_run
        self._draft_ids = count(-1, -1)
        self.reload()

    def reload(self) -> None:
        """Forget what was made and read the tree again, as after a transaction that was rolled back."""
        self.created = 0
        self._slugs: set[str] = set()
        self._by_name: dict[tuple[int | None, str], _Node] = {}
        self._by_slug: dict[tuple[int | None, str], _Node] = {}
        self._resolved: dict[tuple[str, ...], int] = {}
        for category in Category.objects.order_by("id"):
            self._add(category.parent_id, category.name, category.slug, _node(category))

    def resolve(self, names: tuple[str, ...]) -> int | None:
        """Return the id of the category at this path of names, None for no names; make what is missing.

        A dry run makes drafts with negative ids instead. Raises RowError where a category cannot be made.
        """
        if not names:
            return None
        if names not in self._resolved:
            first, *others = names
            node = self._find_or_create(None, first)
            for name in others:
                node = self._find_or_create(node, name)
            self._resolved[names] = node.id
        return self._resolved[names]

    def _find_or_create(self, above: _Node | None, name: str) -> _Node:
        return self._find(above, name) or self._create(above, name)

    def _find(self, above: _Node | None, name: str) -> _Node | None:
        parent_id = above.id if above else None
        return (
            self._by_name.get((parent_id, name.casefold()))
            or self._by_slug.get((parent_id, name))
            or self._by_name.get((parent_id, display_name(name).casefold()))
        )

    def _create(self, above: _Node | None, name: str) -> _Node:
        parent_id = above.id if above else None
        name = display_name(name)
        slug = self._free_slug(above, name)
        path = f"{above.path}/{slug}" if above else slug
        full_name = f"{above.full_name} > {name}" if above else name
        if max(len(path), len(full_name)) > MAX_PATH_LENGTH:
            raise RowError({"category": f"has a path longer than {MAX_PATH_LENGTH:,} characters"})
        if self._dry_run:
            node = _Node(next(self._draft_ids), path, full_name)
        else:
            made = Category.objects.create(name=name, slug=slug, parent_id=parent_id)
            node = _Node(made.pk, path, full_name)
        self.created += 1
        self._add(parent_id, name, slug, node)
        return node

    def _free_slug(self, above: _Node | None, name: str) -> str:
        """Return the name's slug, with the parent's before it where another branch has it."""
        slug = slugify(name, allow_unicode=True)[:_MAX_SLUG].strip("-") or "category"
        if slug in self._slugs and above:
            slug = f"{above.path.rpartition('/')[2]}-{slug}"[:_MAX_SLUG]
        stem, numbers = slug, count(2)
        while slug in self._slugs:
            ending = f"-{next(numbers)}"
            slug = f"{stem[: _MAX_SLUG - len(ending)]}{ending}"
        return slug

    def _add(self, parent_id: int | None, name: str, slug: str, node: _Node) -> None:
        self._slugs.add(slug)
        self._by_name.setdefault((parent_id, name.casefold()), node)
        self._by_slug.setdefault((parent_id, slug), node)


def display_name(name: str) -> str:
    """Return a name fit for people: `power-tools` is spelt `Power tools`, `t-shirts` `T-shirts`."""
    if not _SLUG_LIKE.fullmatch(name):
        return name
    spaced = re.sub(r"(?<=[^\W_]{2})-(?=[^\W_]{2})", " ", name)
    return spaced[0].upper() + spaced[1:]


def _node(category: Category) -> _Node:
    return _Node(category.pk, category.path, category.full_name)
