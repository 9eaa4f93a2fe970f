"""Level-based foraging: the contract with masks and a moving graph, the same bits in every process, and one line without the package.

What needs lbforaging is skipped without it; ``make test-adapters`` installs it.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from netagents.environments import build_environment
from netagents.errors import MissingPackageError
from netagents.experiment.environment_settings import ParallelEnvSettings
from netagents.experiment.topology_settings import CompleteSettings
from netagents.testing import check_environment
from netagents.testing.broken_rules import random_actions
from netagents.topology import build_topology

FORAGING = importlib.util.find_spec("lbforaging") is not None and importlib.util.find_spec("pettingzoo") is not None

with_foraging = pytest.mark.skipif(
    not FORAGING, reason="the package lbforaging is missing: pip install 'netagents[foraging]', or make test-adapters"
)


def foraging(**arguments):
    settings = ParallelEnvSettings(
        make="netagents.environments.adapters.level_foraging:parallel_env", arguments=arguments, positions=(0, 1), radius=2.9, horizon=50
    )
    return build_environment(settings, build_topology(CompleteSettings(n=arguments.get("players", 3))))


def test_a_missing_package_is_one_line_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "lbforaging", None)
    monkeypatch.setitem(sys.modules, "lbforaging.foraging", None)
    with pytest.raises(MissingPackageError, match=r"the package lbforaging is not installed; pip install 'netagents\[foraging\]'") as error:
        foraging()
    assert error.value.exit_code == 15


@with_foraging
@pytest.mark.parametrize("arguments", [{}, {"size": 6, "players": 4, "foods": 2, "cooperative": True}], ids=["three", "four"])
def test_the_contract_holds(arguments):
    environment = foraging(**arguments)
    assert environment.spec.capabilities.masked
    assert environment.spec.capabilities.moving
    check_environment(environment, batch=4, steps=12)


@with_foraging
def test_agents_are_neighbours_where_they_see_each_other_and_get_what_the_package_pays():
    environment = foraging()
    rng = np.random.default_rng(0)
    copies = 8
    state = environment.reset(rng.random((copies, 1)))
    total, over = np.zeros((copies, 3)), np.zeros(copies, dtype=bool)
    for _ in range(50):
        observations, graph = environment.observe(state), environment.graph(state)
        for b in range(copies):
            game = environment.copies[b]._game
            for i in range(3):
                assert tuple(observations[i][b, :2]) == game.players[i].position
                # Levels of those in sight: the package gives 0 for whoever is not.
                visible = int((observations[i][b, 2 + 9 :].reshape(3, 3)[1:, 2] > 0).sum())
                assert graph[b, i].sum() == visible
        outcome = environment.step(state, random_actions(environment, state, rng), np.zeros((copies, 0)))
        over |= outcome.terminated.all(axis=1) | outcome.truncated.all(axis=1)
        state, total = outcome.state, total + outcome.rewards
    assert over.all()  # the package's 50 steps are over
    for b in range(copies):
        assert np.allclose(total[b], [player.score for player in environment.copies[b]._game.players])
    environment.close()


PROGRAM = """
import numpy as np
from test_level_foraging import foraging
from netagents.environments.games.scripted import uniform, scripted_returns
print(scripted_returns(foraging(size=5, players=4, foods=4), uniform, 40, 0).tolist())
"""


@with_foraging
def test_other_processes_play_the_same():
    # The package keeps agents in sets; by the addresses of objects these would be in another order in each process.
    outputs = [
        subprocess.run(
            [sys.executable, "-c", junk + PROGRAM], capture_output=True, text=True, check=True, cwd=__file__.rpartition("/")[0]
        ).stdout
        for junk in ("", "keep = [object() for _ in range(12345)]\n")
    ]
    assert outputs[0] == outputs[1]
    assert "0." in outputs[0]
