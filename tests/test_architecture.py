"""The house's rules, held by a walk over the imports."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Each app may import those behind it, and nothing before it.
ORDER = ["config", "search", "embeddings", "catalog"]


def modules(app: str) -> list[Path]:
    return sorted((ROOT / app).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The top-level names that a module imports, inside functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("app", ORDER)
def test_imports_run_one_way(app: str) -> None:
    allowed = set(ORDER[ORDER.index(app) :])
    wrong = {
        str(path.relative_to(ROOT)): names
        for path in modules(app)
        if (names := (imported(path) & set(ORDER)) - allowed)
    }
    assert not wrong


def test_the_walk_sees_imports() -> None:
    assert "embeddings" in set().union(*map(imported, modules("search")))
    assert "catalog" in set().union(*map(imported, modules("embeddings")))


def test_nothing_but_django_knows_the_settings_module() -> None:
    knowing = [
        path
        for app in ORDER[1:]
        for path in modules(app)
        if "config.settings" in path.read_text() or "from config" in path.read_text()
    ]
    assert not knowing


def test_every_setting_is_in_the_manual() -> None:
    names = set(re.findall(r'env\.\w+\(\s*"(\w+)"', (ROOT / "config" / "settings.py").read_text()))
    assert len(names) > 50
    assert not names - set(re.findall(r"`(\w+)`", (ROOT / "docs" / "operations.md").read_text()))


def test_the_project_speaks_of_itself_only() -> None:
    """No path of a developer's machine is in a tracked text."""
    texts = [
        path
        for pattern in ("*.py", "*.md", "*.html", "*.toml", "*.txt", "Makefile")
        for path in ROOT.rglob(pattern)
        if not {".venv", "var", "node_modules"} & set(path.relative_to(ROOT).parts)
    ]
    home = str(ROOT)
    assert not [path for path in texts if home != "/app" and home in path.read_text(errors="replace")]
