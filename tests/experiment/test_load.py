"""An experiment file becomes an experiment, or one line that says what, where and what would be right."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from experiments import line_msg
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.errors import ExperimentError, NetagentsError
from netagents.experiment import Experiment, load_experiment, resolved
from netagents.experiment.load import packaged_directory
from netagents.experiment.yaml_document import LIMIT_BYTES, LIMIT_VALUES, parse

ROOT = Path(__file__).parents[2]
FAULTS = "delay, drop, swap, replay, link, partition, crash, freeze, slow, random_actions"
BASE = "environment: {kind: line_msg}\ntopology: {kind: line, n: 4}\n"


def failure(tmp_path: Path, text: str | bytes, *overrides: str) -> str:
    """The one line for a wrong file, without the directory."""
    path = tmp_path / "x.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(NetagentsError) as caught:
        load_experiment(path, overrides)
    line = str(caught.value)
    assert "\n" not in line
    return line.replace(f"{tmp_path}/", "")


@pytest.mark.parametrize("path", sorted((ROOT / "launch").glob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_experiment_loads_and_survives_its_own_record(path: Path) -> None:
    experiment = load_experiment(path).experiment
    record = json.loads(json.dumps(resolved(experiment)))
    assert load_experiment(record).experiment == experiment
    assert load_experiment(experiment).experiment == experiment


def test_a_record_written_as_json_is_an_experiment_file(tmp_path: Path) -> None:
    experiment = load_experiment("quickstart", ["learning.learning_rate=1e-7", "kappa_policy=[1, 2]", "faults=[{kind: delay}]"]).experiment
    path = tmp_path / "resolved.json"
    path.write_text(json.dumps(resolved(experiment), indent=2))
    assert load_experiment(path).experiment == experiment
    path.write_text(yaml.safe_dump(resolved(experiment)))
    assert load_experiment(path).experiment == experiment


def test_the_quickstart_has_ten_agents_and_the_radii_it_promises() -> None:
    loaded = load_experiment("quickstart")
    experiment = loaded.experiment
    assert [experiment.radius(name) for name in ("policy", "critic", "gradient")] == [1, 1, 1]
    assert resolved(experiment)["topology"] == {"kind": "access_grid", "rows": 2, "columns": 5, "users": 1}
    assert loaded.base == packaged_directory("launch")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("learning: {kapa: 1}", "x.yaml:3: learning.kapa: unknown key; did you mean 'kappa'?"),
        ("learning:\n  critic:\n    sweps: 1", "x.yaml:5: learning.critic.sweps: unknown key; did you mean 'sweeps'?"),
        ("iterations: 5", "x.yaml:3: iterations: unknown key; did you mean 'learning.iterations'?"),
        ("utility: {kind: entropy, flor: 1}", "x.yaml:3: utility.flor: unknown key; did you mean 'floor'?"),
        ("kappa: -1", "x.yaml:3: kappa: must be at least 0, not -1"),
        ("kappa: true", "x.yaml:3: kappa: must be a whole number or auto, not true"),
        ("kappa: yes", "x.yaml:3: kappa: must be a whole number or auto, not 'yes'"),
        ("kappa: 1.5", "x.yaml:3: kappa: must be a whole number or auto, not 1.5"),
        ("kappa: '5'", "x.yaml:3: kappa: must be a whole number or auto, not '5'"),
        ("kappa: 010", "x.yaml:3: kappa: must be a whole number or auto, not '010'"),
        ("kappa_policy: -1", "x.yaml:3: kappa_policy: must be at least 0, not -1"),
        ("kappa_policy: abc", "x.yaml:3: kappa_policy: must be a whole number or a list, not 'abc'"),
        ("kappa_policy:\n  - 1\n  - -2", "x.yaml:5: kappa_policy.1: must be at least 0, not -2"),
        (
            "agents: [{agents: [1], role: frozen, policy: {bank: b, members: []}}]",
            "x.yaml:3: agents.0.policy.members: must have at least 1 entry, not 0",
        ),
        ("learning: 5", "x.yaml:3: learning: must be a group of settings, not 5"),
        ("learning: {discount: .nan}", "x.yaml:3: learning.discount (read as learning.gamma): must be a finite number, not nan"),
        ("learning: {discount: 1}", "x.yaml:3: learning.discount (read as learning.gamma): must be below 1.0, not 1"),
        ("learning: {baseline: 1}", "x.yaml:3: learning.baseline: must be true or false, not 1"),
        (
            "learning: {credit: shared_w}",
            "x.yaml:3: learning.credit: unknown choice 'shared_w'; did you mean 'shared_q'? (known: shared_q, shared_reward)",
        ),
        ("seed: 9223372036854775808", "x.yaml:3: seed: must be below 9223372036854775808, not 9223372036854775808"),
        ("faults: [{kind: delay, low: 11}]", "x.yaml:3: faults.0.low: must be at most 10.0, not 11"),
        (
            "faults: [{kind: dely}]",
            f"x.yaml:3: faults.0.kind: unknown kind 'dely'; did you mean 'delay'? (known: {FAULTS})",
        ),
        (
            "faults: [{low: 1}]",
            "x.yaml:3: faults.0.kind: is missing; choose one of " + FAULTS,
        ),
        (
            "utility: {kind: linear}",
            "x.yaml:3: utility.rewards: is missing; write 'rewards: ...' (c[s][a], one row per local state)",
        ),
        ("kappa: 1\nkappa: 2", "x.yaml:4: kappa: the key stands twice; remove this one or the one in line 3"),
        ("kappa: !!python/name:os.system x", "x.yaml:3: the tag 'python/name:os.system' is not allowed; settings are plain values"),
        ("name: !!binary aGk=", "x.yaml:3: the tag 'binary' is not allowed; settings are plain values"),
        ("x: &a [*a]", "x.yaml:3: nested deeper than 32 levels"),
        ("? [1]\n: 2", "x.yaml:3: a key must be a word; write 'key: value'"),
        ("<<: 5", "x.yaml:3: '<<' needs a mapping; write '<<: *name' with the anchor of a mapping"),
        ("tpology: 1\nbla: 2\nkappa: -1", "x.yaml:3: tpology: unknown key; did you mean 'topology'? (and 2 more)"),
        (
            "learning: {credit: shared_reward}\nkappa_gradient: 3",
            "x.yaml: credit shared_reward needs kappa_gradient <= kappa_critic; lower kappa_gradient or use credit shared_q",
        ),
    ],
)
def test_a_wrong_line_is_named_with_what_would_be_right(tmp_path: Path, line: str, message: str) -> None:
    assert failure(tmp_path, BASE + line) == message


def test_an_unknown_kind_lists_the_known_ones(tmp_path: Path) -> None:
    line = failure(tmp_path, "environment: {kind: line_msg}\ntopology: {kind: lin, n: 3}\n")
    assert line.startswith("x.yaml:2: topology.kind: unknown kind 'lin'; did you mean 'line'? (known: line, ring, grid, king_grid")
    line = failure(tmp_path, "environment: {kind: line_mgs}\ntopology: {kind: line, n: 3}\n")
    assert line.startswith("x.yaml:1: ")
    assert "line_mgs" in line
    assert "line_msg" in line


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "x.yaml: environment: is missing; write 'environment: {kind: ...}' with one of line_msg"),
        ("- a", "x.yaml: not a mapping of settings"),
        ("5", "x.yaml: not a mapping of settings"),
        ("a: [", "x.yaml:1: not YAML"),
        ("\t-x", "x.yaml:1: not YAML"),
        ("a: 1\n---\nb: 2", "x.yaml:2: not YAML (but found another document)"),
        ("kappa: 1\nx: a\0b", "x.yaml:2: not YAML (holds control characters)"),
        (b"kappa: 1\nx: \xff\xfe", "x.yaml:2: not UTF-8 text"),
        ("[" * 5000, "x.yaml: nested deeper than"),
        ("kappa: " + "9" * 5000, "x.yaml:1: '9999999999999999999999999999999999999999' cannot be read"),
        ("#" * (LIMIT_BYTES + 1), "x.yaml: larger than 1 MiB"),
    ],
)
def test_what_is_no_experiment_file_is_said_in_one_line(tmp_path: Path, text: str | bytes, part: str) -> None:
    assert failure(tmp_path, text).startswith(part)


def test_aliases_cannot_multiply_a_small_file_into_a_large_one() -> None:
    layers = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    layers += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(ExperimentError, match=f"more than {LIMIT_VALUES} values"):
        parse("\n".join(layers), "x.yaml")


def test_a_long_list_of_mistakes_is_told_by_its_first(tmp_path: Path) -> None:
    """Comparing each mistake with each other one would take minutes."""
    file = tmp_path / "wrong.yaml"
    file.write_text(json.dumps({"environment": {"kind": "line_msg"}, "topology": {"kind": "line", "n": 3}, "signals": [1] * 60_000}))
    with pytest.raises(ExperimentError, match=r"signals\.0: a term needs a key 'kind': .* and 59999 more"):
        load_experiment(file)


def test_a_missing_file_a_directory_and_a_near_miss_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "chain.yaml").write_text(BASE)
    with pytest.raises(ExperimentError, match=r"chian.yaml: no such experiment file; did you mean '.*chain.yaml'\?"):
        load_experiment(tmp_path / "chian.yaml")
    with pytest.raises(ExperimentError, match="is a directory, not an experiment file"):
        load_experiment(tmp_path)
    with pytest.raises(ExperimentError, match=r"the directory .*nowhere does not exist"):
        load_experiment(tmp_path / "nowhere" / "x.yaml")


def test_words_of_older_yaml_stay_texts_and_exponents_are_numbers() -> None:
    values = parse("[yes, no, on, 1:30, 2024-01-01, 0o7, 1e-3, -2E5, .5, 0x1F, ~, True]", "x").values
    assert values == ["yes", "no", "on", "1:30", "2024-01-01", "0o7", 1e-3, -2e5, 0.5, 31, None, True]
    assert [type(value) for value in values[6:9]] == [float, float, float]


def test_merged_groups_yield_to_what_is_written_out() -> None:
    document = parse("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\n", "x")
    assert document.values["b"] == {"x": 1, "y": 3}
    assert document.lines["b", "y"] == 4


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text("abc yes:#-\n", max_size=8),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=4),
        max_leaves=12,
    )
)
def test_the_reader_agrees_with_json_on_every_json_document(value: object) -> None:
    assert parse(json.dumps(value), "x").values == value


def test_python_values_load_like_a_file_and_their_mistakes_name_the_key() -> None:
    mapping = line_msg(np.int64(4), kappa_policy=(1, 1, 2, 2))
    experiment = load_experiment(mapping, {"learning": {"iterations": 3}, "seed": 7}).experiment
    assert (experiment.kappa_policy, experiment.learning.iterations, experiment.seed) == ((1, 1, 2, 2), 3, 7)
    assert experiment.learning.batch == Experiment.model_validate(mapping | {"topology": {"kind": "line", "n": 4}}).learning.batch
    with pytest.raises(ExperimentError, match=r"^kappa: must be at least 0, not -1$"):
        load_experiment(mapping | {"kappa": -1})
    with pytest.raises(ExperimentError, match="kappa: a value of type object is no setting"):
        load_experiment(mapping | {"kappa": object()})


def test_loading_leaves_the_mapping_it_was_given_alone() -> None:
    mapping = line_msg(4)
    load_experiment(mapping, ["topology.n=5", "environment.coupling=0.5"])
    assert mapping == line_msg(4)
