"""Import circles: no module of the package needs itself through others; imports inside functions count, those for types alone do not."""

from __future__ import annotations

import sys
from pathlib import Path

import grimp
import networkx as nx
import pytest


def circles(package: str) -> list[list[str]]:
    """The groups of modules of a package that import each other in a circle."""
    graph = grimp.build_graph(package, exclude_type_checking_imports=True, cache_dir=None)
    imports = nx.DiGraph([(module, imported) for module in graph.modules for imported in graph.find_modules_directly_imported_by(module)])
    assert imports.number_of_edges() > 0
    return sorted(sorted(group) for group in nx.strongly_connected_components(imports) if len(group) > 1)


def test_no_modules_of_netagents_import_each_other_in_a_circle() -> None:
    assert circles("netagents") == []


def test_a_circle_through_three_modules_and_a_function_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "sample_with_circle"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "a.py").write_text("from sample_with_circle import b\n")
    (package / "b.py").write_text("def f():\n    from sample_with_circle.c import x\n    return x\n")
    (package / "c.py").write_text("import sample_with_circle.a\nx = 1\n")
    (package / "d.py").write_text(
        "from typing import TYPE_CHECKING\nimport sample_with_circle.a\nif TYPE_CHECKING:\n    from sample_with_circle import e\n"
    )
    (package / "e.py").write_text("from sample_with_circle import d\n")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        assert circles("sample_with_circle") == [["sample_with_circle.a", "sample_with_circle.b", "sample_with_circle.c"]]
    finally:
        sys.modules.pop("sample_with_circle", None)
