"""Identifiers: nouns of the field, not pronouns, participles or verbs of telling; what a public interface asks for is listed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("netagents", "benchmarks", "tools", "tests")
# fmt: off
FORBIDDEN = frozenset({
    "its", "mine", "ours", "theirs", "yours", "who", "whose", "somebody", "something", "everybody", "nobody", "found", "told",
    "said", "heard", "tell", "tells", "telling", "say", "says", "spoken", "seen", "sees", "shown", "shows", "kept", "keeps",
    "chosen", "wanted", "given", "gone", "came", "began", "begun", "done", "stood", "felt", "meant", "got", "stolen", "lacking",
    "worth", "knows",
})
# fmt: on
PUBLIC = {
    ("netagents", "chosen"): "`rollout.chosen` of the pages on algorithms and signals",
    ("netagents", "kept"): "column of the table of byte budgets",
    ("netagents", "keeps"): "verdict of the same table",
    ("tests", "chosen"): "`rollout.chosen`, imitated",
}
"""Fields and attributes that others read by their names."""


def identifiers(tree: ast.AST) -> Iterator[tuple[str, int, bool]]:
    """Every name that a module gives to something of its own, its line, and whether it is a field or an attribute."""
    fields = {
        id(node.target)
        for kind in ast.walk(tree)
        if isinstance(kind, ast.ClassDef)
        for node in kind.body
        if isinstance(node, ast.AnnAssign)
    }
    methods = {id(node) for kind in ast.walk(tree) if isinstance(kind, ast.ClassDef) for node in kind.body}
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                yield name, node.lineno, id(node) in fields
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield name, node.lineno, True
            case ast.arg(arg=name):
                yield name, node.lineno, False
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, node.lineno, id(node) in methods
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                yield name, node.lineno, False


def breaches(source: str, folder: str) -> list[str]:
    """The forbidden identifiers of a module as ``line: name``."""
    return [
        f"{line}: {name}"
        for name, line, is_member in identifiers(ast.parse(source))
        if name.strip("_") in FORBIDDEN and not (is_member and (folder, name) in PUBLIC)
    ]


@pytest.mark.parametrize("folder", FOLDERS)
def test_identifiers_are_nouns(folder: str) -> None:
    modules = sorted((ROOT / folder).rglob("*.py"))
    assert len(modules) > 5
    problems = [f"{path.relative_to(ROOT)}:{each}" for path in modules for each in breaches(path.read_text(encoding="utf-8"), folder)]
    assert problems == []


def test_each_way_to_name_something_is_looked_at() -> None:
    source = """
class Told:
    kept: int
    def found(self, wanted, *given):
        seen, self._shown = wanted, given
        for chosen in seen:
            pass
        try:
            pass
        except ValueError as done:
            pass
        return [said for said in (lambda mine: mine)(1)] + left
"""
    expected = ["found", "given", "kept", "wanted", "_shown", "seen", "chosen", "done", "said", "mine"]
    assert sorted(each.partition(": ")[2] for each in breaches(source, "tools")) == sorted(expected)
    assert "3: kept" not in breaches(source, "netagents")
