"""Overrides change what they name, keep the rest, and are named when they are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from netagents.errors import ExperimentError, NetagentsError, UsageError
from netagents.experiment import load_experiment, resolved

BASE = """\
environment: {kind: line_msg, coupling: 0.5}
topology: {kind: line, n: 4}
learning:
  batch: 8
utility: {kind: linear, rewards: [[0, 1], [1, 0]]}
faults:
  - {kind: delay, high: 0.1}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "x.yaml"
    file.write_text(BASE)
    return file


def test_scalars_lists_groups_and_items_can_be_set(path: Path) -> None:
    words = ["kappa=2", "kappa_policy=[1, 1, 2, 2]", "learning.critic={sweeps: 3}", "faults.0.low=1e-3", "learning.baseline=false"]
    experiment = load_experiment(path, words).experiment
    values = resolved(experiment)
    assert values["kappa"] == 2
    assert values["kappa_policy"] == [1, 1, 2, 2]
    assert values["learning"]["critic"]["sweeps"] == 3
    assert values["learning"]["batch"] == 8
    assert values["faults"] == [{"kind": "delay", "low": 0.001, "high": 0.1}]
    assert values["learning"]["baseline"] is False


def test_the_last_of_two_overrides_wins(path: Path) -> None:
    assert load_experiment(path, ["kappa=2", "kappa=3"]).experiment.kappa == 3


def test_null_unsets_what_the_file_set(path: Path) -> None:
    path.write_text(BASE + "kappa_policy: 3\n")
    assert load_experiment(path, ["kappa_policy=null", "kappa=2"]).experiment.radius("policy") == 2


def test_a_new_kind_keeps_the_keys_it_knows_and_drops_the_others(path: Path) -> None:
    values = resolved(load_experiment(path, ["utility.kind=entropy", "topology.kind=ring"]).experiment)
    assert values["utility"]["kind"] == "entropy"
    assert "rewards" not in values["utility"]
    assert values["topology"] == {"kind": "ring", "n": 4}
    loaded = load_experiment(path, ["topology.kind=grid", "topology.rows=2", "topology.columns=3", "environment.kind=line_msg"])
    assert resolved(loaded.experiment)["topology"] == {"kind": "grid", "rows": 2, "columns": 3}
    assert resolved(loaded.experiment)["environment"]["coupling"] == 0.5


def test_a_kind_of_ones_own_drops_the_settings_of_the_built_in_one(path: Path) -> None:
    loaded = load_experiment(path, ["environment.kind=import:package.module:Class", "environment.parameters.size=3"])
    assert resolved(loaded.experiment)["environment"] == {"kind": "import:package.module:Class", "parameters": {"size": 3}}


@pytest.mark.parametrize(
    ("word", "kind", "message"),
    [
        ("kapa=2", ExperimentError, "override 'kapa=2': kapa: unknown key; did you mean 'kappa'?"),
        ("kappa=x", ExperimentError, "override 'kappa=x': kappa: must be a whole number or auto, not 'x'"),
        (
            "learning.critic.sweeps=0",
            ExperimentError,
            "override 'learning.critic.sweeps=0': learning.critic.sweeps: must be at least 1, not 0",
        ),
        ("topology.n.x=3", ExperimentError, "override 'topology.n.x=3': topology.n is 4, not a group of settings"),
        ("faults.3.low=1", ExperimentError, "override 'faults.3.low=1': faults is a list of 1, it has no item '3'; items count from 0"),
        ("faults.a=1", ExperimentError, "override 'faults.a=1': faults is a list of 1, it has no item 'a'; items count from 0"),
        ("utility.kind=entrpy", ExperimentError, None),
        ("kappa", UsageError, "override 'kappa': not an override; write key=value, such as kappa=2 or learning.iterations=50"),
        ("--kappa=2", UsageError, "override '--kappa=2': not an override; write key=value, such as kappa=2 or learning.iterations=50"),
        ("kappa=", UsageError, "override 'kappa=': has no value; write kappa=VALUE, or kappa=null to unset it"),
        ("a..b=1", UsageError, "override 'a..b=1': 'a..b' is not a key; write words joined by dots, such as learning.iterations"),
        ("kappa=[1", UsageError, None),
    ],
)
def test_a_wrong_override_is_named_by_its_own_words(path: Path, word: str, kind: type[NetagentsError], message: str | None) -> None:
    with pytest.raises(kind) as caught:
        load_experiment(path, [word])
    line = str(caught.value)
    assert type(caught.value) is kind
    assert line.startswith(f"override '{word}': ")
    assert "\n" not in line
    if message is not None:
        assert line == message


def test_a_key_that_an_override_made_necessary_blames_the_override(path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"^override 'topology.kind=grid': topology.rows: is missing; .*\(and 1 more\)$"):
        load_experiment(path, ["topology.kind=grid"])


def test_one_text_is_not_a_list_of_overrides(path: Path) -> None:
    with pytest.raises(UsageError, match="must be a list of words"):
        load_experiment(path, "kappa=2")


def test_every_value_knows_its_line_its_override_or_that_it_is_a_default(path: Path) -> None:
    loaded = load_experiment(path, ["kappa=2", "learning.critic={sweeps: 3}", "utility.kind=entropy", "faults.0.low=0.01"])
    origins = {".".join(map(str, key)): origin.text.replace(f"{path.parent}/", "") for key, origin in loaded.origins.items()}
    expected = {
        "environment.coupling": "x.yaml:1",
        "topology.n": "x.yaml:2",
        "learning.batch": "x.yaml:4",
        "learning.iterations": "default",
        "learning.critic.sweeps": "override learning.critic={sweeps: 3}",
        "learning.critic.full_table_limit": "default",
        "kappa": "override kappa=2",
        "kappa_policy": "default",
        "utility.kind": "override utility.kind=entropy",
        "utility.weight": "default",
        "faults.0.kind": "x.yaml:7",
        "faults.0.low": "override faults.0.low=0.01",
        "faults.0.high": "x.yaml:7",
    }
    assert {key: origins[key] for key in expected} == expected
    assert not [key for key in origins if key.startswith("utility.rewards")]
