"""Nothing in the package can run what it reads: no unpickling, no evaluation of text, in any module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import netagents

MODULES = frozenset({"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "keep_latest", "jsonpickle"})
CALLS = frozenset({"eval", "exec", "compile", "__import__"})
LOADERS = frozenset({"torch.load", "torch.jit.load", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "numpy.load", "np.load"})
"""Loaders that unpickle, or do so unless told otherwise."""


def findings(source: str) -> Iterator[str]:
    """Every line that could run what it reads."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (f"{node.lineno}: import {alias.name}" for alias in node.names if alias.name.partition(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            if node.module.partition(".")[0] in MODULES:
                yield f"{node.lineno}: from {node.module} import"
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in CALLS or called in LOADERS:
                yield f"{node.lineno}: {called}"
            yield from (f"{node.lineno}: allow_pickle" for keyword in node.keywords if keyword.arg == "allow_pickle")


def test_no_module_unpickles_or_evaluates_what_it_reads() -> None:
    package = Path(netagents.__file__).parent
    modules = sorted(package.rglob("*.py"))
    assert len(modules) > 200
    assert {str(path): problems for path in modules if (problems := list(findings(path.read_text())))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import dill.source",
        "eval('1')",
        "np.load(f)",
        "f(x, allow_pickle=True)",
        "torch.load(f)",
    ],
)
def test_it_would_be_noticed(source: str) -> None:
    assert list(findings(source)) != []


def test_what_reads_plain_data_is_no_finding() -> None:
    assert list(findings("import json\nfrom safetensors.numpy import load\nload(b'')\nre.compile('x')")) == []
