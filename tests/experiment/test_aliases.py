"""Other names of settings: earlier ones and those of other libraries are read, named in a note, and never silently lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from experiments import line_msg

from netagents.errors import ExperimentError
from netagents.experiment import Experiment, load_experiment, resolved
from netagents.experiment import settings_schema as schema
from netagents.experiment.aliases import known_aliases, rename_aliases

TABLES: dict[str, Any] = line_msg(3)
PPO: dict[str, Any] = {**TABLES, "learning": {"algorithm": {"kind": "ppo"}}}


@pytest.mark.parametrize(
    ("base", "word", "same"),
    [
        (TABLES, "learning.step_size=3", "learning.learning_rate=3"),
        (TABLES, "learning.lr=3", "learning.learning_rate=3"),
        (TABLES, "learning.discount=0.5", "learning.gamma=0.5"),
        (TABLES, "learning.gradient_clip=2", "learning.max_grad_norm=2"),
        (TABLES, "learning.num_envs=7", "learning.batch=7"),
        (PPO, "learning.algorithm.policy_rate=0.01", "learning.algorithm.learning_rate=0.01"),
        (PPO, "learning.algorithm.trace_decay=0.3", "learning.algorithm.gae_lambda=0.3"),
        (PPO, "learning.algorithm.entropy_bonus=0.1", "learning.algorithm.entropy_coef=0.1"),
        (PPO, "learning.algorithm.ent_coef=0.1", "learning.algorithm.entropy_coef=0.1"),
        (PPO, "learning.algorithm.clip=0.1", "learning.algorithm.clip_range=0.1"),
        (PPO, "learning.algorithm.n_epochs=9", "learning.algorithm.epochs=9"),
        (PPO, "learning.algorithm.critic.rate=0.1", "learning.algorithm.critic.learning_rate=0.1"),
        (PPO, "learning.algorithm.critic.target_rate=0.1", "learning.algorithm.critic.tau=0.1"),
        (PPO, "learning={algorithm: {kind: ppo, trace_decay: 0.3}}", "learning={algorithm: {kind: ppo, gae_lambda: 0.3}}"),
        ({**TABLES, "environment": {"kind": "sis"}}, "environment.discount=0.5", "environment.gamma=0.5"),
        (
            {**TABLES, "constraints": [{"utility": {"kind": "entropy"}, "threshold": 1}]},
            "constraints.0.lr=2",
            "constraints.0.step_size=2",
        ),
    ],
)
def test_another_name_is_the_same_setting_and_is_named(base: dict[str, Any], word: str, same: str) -> None:
    result, expected = load_experiment(base, [word]), load_experiment(base, [same])
    assert result.experiment == expected.experiment != load_experiment(base).experiment
    assert expected.notes == ()
    assert len(result.notes) == 1
    assert " is read as " in result.notes[0]
    assert resolved(result.experiment) == resolved(expected.experiment)


def test_a_file_with_an_earlier_name_keeps_its_line_and_an_override_by_either_name_wins(tmp_path: Path) -> None:
    file = tmp_path / "old.yaml"
    file.write_text("environment: {kind: line_msg}\ntopology: {kind: line, n: 3}\nlearning:\n  step_size: 20\n")
    loaded = load_experiment(file)
    assert loaded.experiment.learning.learning_rate == 20
    assert loaded.origins[("learning", "learning_rate")].text == f"{file}:4"
    assert loaded.notes == (f"{file}:4: learning.step_size is read as learning.learning_rate",)
    for word in ("learning.learning_rate=5", "learning.step_size=5", "learning.lr=5"):
        changed = load_experiment(file, [word])
        assert changed.experiment.learning.learning_rate == 5
        assert changed.origins[("learning", "learning_rate")].text == f"override {word}"


def test_two_names_of_one_setting_are_refused() -> None:
    with pytest.raises(ExperimentError, match="are two names of one setting; keep learning_rate"):
        load_experiment({**TABLES, "learning": {"step_size": 1, "learning_rate": 2}})


def test_an_error_speaks_of_the_name_that_was_written() -> None:
    with pytest.raises(ExperimentError, match=r"learning\.lr \(read as learning\.learning_rate\): must be above 0"):
        load_experiment(TABLES, ["learning.lr=-1"])


@pytest.mark.parametrize(
    ("word", "suggested"),
    [
        ("lr=1", "learning.learning_rate"),
        ("gamma=0.9", "learning.gamma"),
        ("gae_lambda=0.9", "learning.algorithm.gae_lambda"),
        ("learning.clip_range=0.1", "learning.algorithm.clip_range"),
        ("ent_coef=0.1", "learning.algorithm.entropy_coef"),
    ],
)
def test_a_standard_name_in_the_wrong_group_is_told_where_it_belongs(word: str, suggested: str) -> None:
    with pytest.raises(ExperimentError, match=f"did you mean '{suggested}'"):
        load_experiment(TABLES, [word])


def test_an_alias_is_no_name_of_a_setting_of_its_group_and_stands_for_one() -> None:
    def look(model: Any, above: tuple[Any, ...]) -> None:
        from netagents.experiment import settings_schema as schema

        for alias, name in model.aliases.items():
            assert alias not in model.model_fields, (model, alias)
            groups = [model, *(each for base in model.__bases__ for each in base.__subclasses__())]
            assert any(name in each.model_fields for each in groups), (model, alias)
        for field in model.model_fields.values():
            single = schema.group(field.annotation, None)
            for below in [*schema.kinds(field.annotation).values(), *([single] if single else [])]:
                if below not in above:
                    look(below, (*above, below))

    look(Experiment, (Experiment,))
    assert known_aliases(Experiment)["lr"][0] == "learning.learning_rate"


def test_networks_follow_from_the_algorithm() -> None:
    for kind in ("ppo", "actor_critic"):
        assert load_experiment(TABLES, [f"learning.algorithm.kind={kind}"]).experiment.policy.kind == "mlp"
    assert load_experiment(PPO, ["policy.hidden=[8]"]).experiment.policy.model_dump()["hidden"] == (8,)
    assert load_experiment(TABLES).experiment.policy.kind == "softmax"
    with pytest.raises(ExperimentError, match="needs a policy that is a network, such as kind mlp"):
        load_experiment(PPO, ["policy.kind=softmax"])


def test_an_experiment_without_a_name_is_called_after_its_file(tmp_path: Path) -> None:
    for stem, name in (("my_test", "my_test"), ("my test (2)", "my-test--2-"), ("ünlü", "nl-"), ("__", "experiment")):
        file = tmp_path / f"{stem}.yaml"
        file.write_text(json.dumps(TABLES))
        assert load_experiment(file).experiment.name == name
    assert load_experiment(TABLES).experiment.name == "experiment"
    assert load_experiment(file, ["name=other"]).experiment.name == "other"


@pytest.mark.parametrize(
    "word", ["name='a b'", "environment={kind: pettingzoo, make: x}", "mute=[Actions]", "policy.kind='a b'", "runtime.containers.image=' '"]
)
def test_no_message_shows_a_regular_expression(word: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        load_experiment(TABLES, [word])
    assert not any(sign in str(caught.value) for sign in ("^", "\\", "(?", "]{", "$")), caught.value
    assert any(hint in str(caught.value) for hint in ("use ", "write ")), caught.value


def test_a_long_list_of_numbers_is_not_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    """The edges of a large graph, or what a damaged file holds: the time per entry must not be that of a setting."""
    looks = []
    item = schema.item

    def counted(annotation: Any) -> Any:
        looks.append(annotation)
        return item(annotation)

    monkeypatch.setattr(schema, "item", counted)
    values: dict[str, Any] = {"agents": [1] * 50_000, "topology": {"kind": "edges", "n": 3, "edges": [[0, 1], [1, 2]]}}
    assert rename_aliases(values, Experiment) == []
    assert len(looks) < 10
