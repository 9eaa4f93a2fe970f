"""What a welcome names is not run unless somebody allowed it, and no file is read because of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from experiments import line_msg

from netagents.environments.specification_json import spec_to_json
from netagents.errors import ProtocolError, SecurityError
from netagents.experiment import Experiment
from netagents.learning.prepared_experiment import prepare
from netagents.messages import Welcome
from netagents.nodes.bootstrap.foreign_code import imported_parts, refuse_foreign_code
from netagents.nodes.bootstrap.welcome import read_welcome, write_welcome

LINE = line_msg(3, iterations=1, batch=1)
EVIL = {"kind": "import:os:system", "parameters": {"command": "true"}}


@pytest.mark.parametrize(
    "changes",
    [
        {"utility": EVIL},
        {"utility": {"kind": "sum", "terms": [{"utility": {"kind": "none"}}, {"utility": EVIL}]}},
        {"utility": {"kind": "per_agent", "groups": [{"agents": [0], "utility": EVIL}]}},
        {"policy": EVIL},
    ],
    ids=["utility", "sum", "per_agent", "policy"],
)
def test_code_named_by_the_server_needs_leave(changes: dict[str, object]) -> None:
    experiment = Experiment.model_validate({**LINE, **changes})
    assert imported_parts(experiment) == ["import:os:system"]
    refuse_foreign_code(experiment, allowed=True)
    with pytest.raises(SecurityError, match="names code to run here: import:os:system; start this node with --allow-imports"):
        refuse_foreign_code(experiment, allowed=False)


def test_environments_run_at_the_server_only_and_need_no_leave() -> None:
    refuse_foreign_code(Experiment.model_validate({**LINE, "environment": {"kind": "import:os:system"}}), allowed=False)


def test_a_welcome_makes_no_node_read_a_file(tmp_path: Path) -> None:
    setup = prepare(Experiment.model_validate(LINE)).setup
    welcome = write_welcome(setup, json.dumps(spec_to_json(setup.spec)), {})
    trap = tmp_path / "fifo"
    import os

    os.mkfifo(trap)  # whoever opens it waits for ever
    named = json.loads(welcome.experiment)
    named["topology"] = {"kind": "file", "path": str(trap)}
    read = read_welcome(welcome._replace(experiment=json.dumps(named)))
    assert read.topology.n == 3


@pytest.mark.parametrize("place", ["experiment", "topology", "spec"])
@pytest.mark.parametrize("text", ["[" * 100_000, "{" * 5, '{"a":' * 50_000, "null", "1e999", '"' + "x" * 1_000_000])
def test_a_damaged_welcome_is_one_line(place: str, text: str) -> None:
    setup = prepare(Experiment.model_validate(LINE)).setup
    welcome: Welcome = write_welcome(setup, json.dumps(spec_to_json(setup.spec)), {})._replace(**{place: text})
    with pytest.raises(ProtocolError, match="the server's welcome cannot be read") as caught:
        read_welcome(welcome)
    assert len(str(caught.value)) < 2_000
    assert "\n" not in str(caught.value)
