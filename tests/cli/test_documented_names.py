"""Names in the pages: files, modules, classes, methods and functions of the code that they mention exist."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "netagents"
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
ROOMS = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
FOLDERS = {"netagents", "benchmarks", "tests", "launch", "topologies", "docs", "requirements"}
FILE = r"[a-z_/]+\.py"
PATH = re.compile(r"[a-z_]+/(?:[\w.*-]+/)*(?:[\w*]+\.\w+)?")
MODULE = re.compile(r"\bnetagents(?:\.[A-Za-z_]\w*)+")
ENTRY_POINTS = {"netagents.signals", "netagents.algorithms", "netagents.sinks"}
"""Groups under which installed packages offer parts; those of other parts are called like rooms."""
MEMBER = re.compile(r"[A-Z]\w+\.[A-Za-z_]\w*")


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _words(page: Path) -> list[str]:
    """What a page writes as code within its sentences."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", _text(page), flags=re.DOTALL))


@cache
def _defined(file: Path) -> frozenset[str]:
    """The functions and classes of a module, and the members of its classes as ``Class.member``."""
    names: set[str] = set()
    for node in ast.parse(_text(file)).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef):
            names.update((node.name, *(f"{node.name}.{member}" for member in _members(node))))
    return frozenset(names)


def _members(node: ast.ClassDef) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef):
            yield inner.name
        elif isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
            yield inner.attr
        elif isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            yield inner.id


def _exists(name: str) -> bool:
    """Whether a dotted name is a module of the package, or something in one."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[cut:]:
            if not hasattr(value, attribute):
                return False
            value = getattr(value, attribute)
        return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_of_the_code_exists(page: Path) -> None:
    missing = []
    for word in filter(PATH.fullmatch, _words(page)):
        first = word.split("/")[0]
        # A user's folder may have the name of a room (studies/), so only modules and folders count there.
        bases = [ROOT] if first in FOLDERS else [PACKAGE] if first in ROOMS and word.endswith((".py", "/")) else []
        if bases and not any(any(base.glob(word.rstrip("/"))) for base in bases):
            missing.append(word)
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_module_and_what_is_in_it_exists(page: Path) -> None:
    assert [name for name in sorted(set(MODULE.findall(_text(page))) - ENTRY_POINTS) if not _exists(name)] == []


def test_functions_of_the_architecture_page_are_in_the_files_that_it_names() -> None:
    page = ROOT / "docs" / "architecture.md"
    everywhere = set().union(*map(_defined, PACKAGE.rglob("*.py")))
    assert [word for word in _words(page) if MEMBER.fullmatch(word) and word not in everywhere] == []
    placed = [(name, file) for file, name in re.findall(rf"`({FILE})`: `([\w.]+)`", _text(page))]
    placed += re.findall(rf"`([A-Za-z_][\w.]*)`\s+\((?:[^`()]*\s)?`({FILE})`\)", _text(page))
    assert len(placed) > 20
    assert [f"{file}: {name}" for name, file in placed if name not in _defined(PACKAGE / file)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_section_finds_its_heading(page: Path) -> None:
    missing = []
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", _text(page)):
        headings = re.findall(r"^#+ (.*)$", _text(page.parent / target if target else page), flags=re.MULTILINE)
        # The anchor as GitHub makes it: lower case, hyphens for spaces, no other signs.
        if anchor not in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}:
            missing.append(f"{target}#{anchor}")
    assert missing == []


def test_the_architecture_page_shows_the_order_inside_rooms() -> None:
    contracts = tomllib.loads(_text(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    table = _text(ROOT / "docs" / "architecture.md").split("| inside |")[1]
    for contract in contracts:
        if contract["id"] == "house" or contract["type"] != "layers":
            continue
        expected = [{name.strip().split(".")[-1] for name in layer.split("|")} for layer in contract["layers"]]
        row = re.search(rf"^\| `{contract['id']}` \| (.*) \|$", table, re.MULTILINE)
        assert row is not None, f"the table of sub-rooms has no row for {contract['id']}"
        assert [set(re.findall(r"`(\w+)`", layer)) for layer in row[1].split(";")] == expected


def test_the_figure_of_rooms_shows_every_room() -> None:
    drawn = re.findall(r'font-weight="600" fill="#17212b">(\w+)</text>', _text(ROOT / "docs" / "figures" / "rooms.svg"))
    assert set(drawn) == ROOMS | {"errors", "randomness", "intervals"}
