"""Networked MDPs as PettingZoo environments: its own tests of environments, and the same noise as a run."""

from __future__ import annotations

import copy
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiments import line_msg

from netagents.environments import NetworkedMDP, build_environment
from netagents.environments.environment_session import EnvironmentSession
from netagents.errors import EnvironmentMismatchError, ExperimentError
from netagents.experiment import load_experiment
from netagents.experiment.environment_settings import BUILT_IN_KINDS
from netagents.topology import build_topology

pytest.importorskip("pettingzoo")

from netagents.environments.pettingzoo_export import NetworkedParallelEnv, as_parallel_env

with warnings.catch_warnings():
    # Its tests import one of its own games in a way that it has deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    from pettingzoo.test import parallel_api_test, parallel_seed_test

EXPERIMENTS: dict[str, dict[str, Any]] = {
    "line_msg": line_msg(4),
    "wireless_spdac": {"environment": {"kind": "wireless_spdac"}, "topology": {"kind": "access_grid", "rows": 2, "columns": 3}},
    "wireless_qu_lin": {
        "environment": {"kind": "wireless_qu_lin"},
        "topology": {"kind": "access_grid", "rows": 2, "columns": 3, "users": 2},
    },
    "sis": {"environment": {"kind": "sis"}, "topology": {"kind": "file", "path": "abilene.graphml"}},
    "rendezvous": {
        "environment": {"kind": "rendezvous", "sensing_radius": 60},
        "topology": {"kind": "complete", "n": 4},
        "policy": {"kind": "mlp"},
        "learning": {"algorithm": {"kind": "ppo"}},
    },
    "cue_recall": {
        "environment": {"kind": "cue_recall", "delay": 8},
        "topology": {"kind": "line", "n": 3},
        "policy": {"kind": "mlp"},
        "learning": {"algorithm": {"kind": "ppo"}},
    },
    "random_networked": {"environment": {"kind": "random_networked"}, "topology": {"kind": "ring", "n": 4}},
    "game": {"environment": {"kind": "game", "memory": "last_action"}, "topology": {"kind": "complete", "n": 3}},
    "gathering": {"environment": {"kind": "gathering"}, "topology": {"kind": "complete", "n": 3}},
    "load_balancing": {"environment": {"kind": "load_balancing"}, "topology": {"kind": "ring", "n": 4}},
    **{
        kind: {
            "environment": {"kind": kind, "horizon": 50},
            "topology": {"kind": "complete", "n": 2},
            "policy": {"kind": "mlp"},
            "learning": {"algorithm": {"kind": "ppo"}},
        }
        for kind in ("predator_prey", "matrix_grid", "kitchen")
    },
}


def test_every_built_in_environment_is_looked_at() -> None:
    engines = {"pettingzoo", "sumo", "smax"}  # other people's, with an interface of their own
    assert set(EXPERIMENTS) == set(BUILT_IN_KINDS) - engines


@pytest.mark.parametrize("kind", EXPERIMENTS)
def test_it_passes_pettingzoos_own_tests(kind: str) -> None:
    parallel_api_test(as_parallel_env(EXPERIMENTS[kind]), num_cycles=300)
    parallel_seed_test(lambda: as_parallel_env(EXPERIMENTS[kind]), num_cycles=50)


@pytest.mark.parametrize("kind", EXPERIMENTS)
def test_observations_and_state_lie_in_their_spaces_and_episodes_end_at_the_horizon(kind: str) -> None:
    env = as_parallel_env(EXPERIMENTS[kind], horizon=7)
    views, _ = env.reset(seed=1)
    for name in env.possible_agents:
        env.action_space(name).seed(5)
    steps = 0
    while env.agents:
        assert all(env.observation_space(name).contains(view) for name, view in views.items())
        assert env.state_space.contains(env.state())
        views, rewards, terminations, truncations, _ = env.step({name: env.action_space(name).sample() for name in env.agents})
        assert all(isinstance(reward, float) for reward in rewards.values())
        steps += 1
    assert steps == 7
    assert all(truncations.values())
    assert not any(terminations.values())


@pytest.mark.parametrize("kind", EXPERIMENTS)
def test_the_same_actions_give_the_rewards_of_a_run(kind: str) -> None:
    env = as_parallel_env(EXPERIMENTS[kind])
    loaded = load_experiment(EXPERIMENTS[kind])
    mdp = build_environment(loaded.experiment.environment, build_topology(loaded.experiment.topology, loaded.base, 0))
    session = EnvironmentSession(mdp, 1, mdp.spec.discount, 11)
    for episode in range(2):
        views, _ = env.reset(seed=11) if episode == 0 else env.reset()
        messages = session.begin(episode)
        for _ in range(5):
            for agent, name in enumerate(env.possible_agents):
                np.testing.assert_array_equal(views[name], messages[agent].observation[0])
            actions = {name: env.action_space(name).sample() for name in env.agents}
            views, rewards, *_ = env.step(actions)
            messages = session.advance([np.asarray(actions[name])[None] for name in env.possible_agents])
            assert list(rewards.values()) == [float(message.reward[0]) for message in messages]


def test_the_graph_is_in_the_metadata_and_in_the_state() -> None:
    env = as_parallel_env("epidemic_abilene")
    env.reset(seed=0)
    graph = env.metadata["graph"]
    assert len(graph["edges"]) == 14
    assert graph["labels"]["agent_0"] == env.mdp.topology.labels[0]
    assert not graph["moving"]
    adjacency = env.graph()
    assert {(f"agent_{i}", f"agent_{j}") for i, j in np.argwhere(np.triu(adjacency))} == set(graph["edges"])
    np.testing.assert_array_equal(env.state()[-121:].reshape(11, 11), adjacency)


def test_a_graph_that_moves_is_computed_from_the_state() -> None:
    env = as_parallel_env(EXPERIMENTS["rendezvous"])
    env.reset(seed=0)
    assert env.metadata["graph"]["moving"]
    assert (env.graph() <= ~np.eye(4, dtype=bool)).all()
    moved = env.mdp.graph(env._session.state)
    assert moved is not None
    np.testing.assert_array_equal(env.graph(), moved[0])
    assert not env.graph().all()


def test_without_a_seed_two_environments_differ_and_a_copy_goes_on_alone() -> None:
    first, second = (as_parallel_env(EXPERIMENTS["wireless_spdac"]) for _ in range(2))
    first.reset()
    second.reset()
    assert first._seed != second._seed
    twin = copy.deepcopy(first)
    first.step(dict.fromkeys(first.agents, 0))
    assert twin._step == 0


def test_wrong_actions_and_steps_are_one_line() -> None:
    env = as_parallel_env(EXPERIMENTS["line_msg"])
    with pytest.raises(EnvironmentMismatchError, match="call reset before step"):
        env.step({})
    env.reset(seed=0)
    with pytest.raises(EnvironmentMismatchError, match="agent_1: no action"):
        env.step({"agent_0": 0})
    with pytest.raises(EnvironmentMismatchError, match=r"actions are 0\.\.1"):
        env.step(dict.fromkeys(env.agents, 9))
    with pytest.raises(EnvironmentMismatchError, match="give an index"):
        env.step(dict.fromkeys(env.agents, 0.5))
    with pytest.raises(ExperimentError, match="did you mean 'kappa'"):
        as_parallel_env(EXPERIMENTS["line_msg"], "kapa=1")


def test_an_environment_that_is_one_already_is_refused() -> None:
    pytest.importorskip("mpe2")
    with pytest.raises(EnvironmentMismatchError, match="cannot be exported"):
        as_parallel_env("simple_spread")


def test_an_environment_object_will_do() -> None:
    loaded = load_experiment(EXPERIMENTS["sis"])
    mdp: NetworkedMDP = build_environment(loaded.experiment.environment, build_topology(loaded.experiment.topology, loaded.base, 0))
    assert isinstance(as_parallel_env(mdp), NetworkedParallelEnv)


def test_the_room_does_not_import_pettingzoo_by_itself() -> None:
    script = "import sys, netagents.environments; sys.exit('pettingzoo' in sys.modules or 'gymnasium' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
    script = (
        "import sys; sys.modules['pettingzoo'] = None\nfrom netagents.errors import MissingPackageError\n"
        "try:\n    from netagents.environments import as_parallel_env\nexcept MissingPackageError as error:\n    sys.exit(error.exit_code)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 15


def test_the_lines_of_the_page_work_as_they_stand() -> None:
    page = (Path(__file__).parents[2] / "docs" / "other-libraries.md").read_text(encoding="utf-8")
    block = page.split("```python\n", 1)[1].split("```", 1)[0]
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102 - the page is ours, and running it is the test
    assert names["env"].metadata["graph"]["edges"][:2] == [("agent_0", "agent_1"), ("agent_0", "agent_5")]
    assert not names["env"].agents
