"""Whatever a file or an override holds, the answer is an experiment or one line; never a traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from experiments import line_msg
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.errors import ExperimentError, UsageError
from netagents.experiment import Experiment, load_experiment, resolved
from netagents.experiment import settings_schema as schema
from netagents.experiment.yaml_document import Document, parse

QUICKSTART = (Path(__file__).parents[2] / "launch" / "line_msg.yaml").read_text(encoding="utf-8")
BASE = line_msg(4)
KEYS = sorted({".".join(map(str, leaf)) for leaf in schema.leaves(Experiment)})

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["line", "ring", "entropy", "import:a:B", "shared_reward"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["kind", "n", "terms", "utility", "x"]), inner, max_size=3),
    max_leaves=6,
)


def line_or_value(build: Callable[[], Any]) -> tuple[str | None, Any]:
    """What the call gave, or the line of the error that users may see; any other exception is a failure of the test."""
    try:
        return None, build()
    except (ExperimentError, UsageError) as error:
        return str(error), None


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="abk:{}[]&*!<>|#'\"%@`-?, \n\t0.e~\x85\ufeff", max_size=60))
def test_any_text_is_a_document_or_one_line(text: str) -> None:
    line, document = line_or_value(lambda: parse(text, "x.yaml"))
    assert isinstance(document, Document) or (line is not None and line.startswith("x.yaml") and "\n" not in line)


@settings(deadline=None, max_examples=300)
@given(st.integers(0, len(QUICKSTART)), st.integers(0, 12), st.text(max_size=4))
def test_a_damaged_file_is_an_experiment_or_one_line(tmp_path_factory: pytest.TempPathFactory, at: int, cut: int, put: str) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.yaml"
    path.write_bytes((QUICKSTART[:at] + put + QUICKSTART[at + cut :]).encode())
    line, loaded = line_or_value(lambda: load_experiment(path))
    if line is not None:
        assert line.startswith(str(path))
        assert "\n" not in line
    else:
        assert load_experiment(resolved(loaded.experiment)).experiment == loaded.experiment


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(st.sampled_from(KEYS), values, min_size=1, max_size=3))
def test_any_values_for_the_known_keys_are_an_experiment_or_one_line(overrides: dict[str, Any]) -> None:
    line, loaded = line_or_value(lambda: load_experiment(BASE, overrides))
    if line is not None:
        assert "\n" not in line
        assert "function-" not in line, "pydantic's own labels are no words for users"
    else:
        assert load_experiment(resolved(loaded.experiment)).experiment == loaded.experiment
