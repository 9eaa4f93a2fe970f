"""From settings of kind ``game`` to the game: a shipped stage game, or one written out in tables."""

from __future__ import annotations

from typing import assert_never

from netagents.environments.games.rely import rely
from netagents.environments.games.stage_games import StageGame, StageRules, matrix_game, public_goods
from netagents.environments.games.table_game import TableGame
from netagents.environments.games.written_games import stage_rules, written_game
from netagents.environments.networked_mdp import NetworkedMDP
from netagents.errors import ExperimentError
from netagents.experiment.games import (
    ChickenRules,
    GameFileRules,
    GameSettings,
    GameTableRules,
    PrisonersDilemmaRules,
    PublicGoodsRules,
    PureCoordinationRules,
    RelyRules,
    StagHuntRules,
)
from netagents.topology import Topology


def build_game(topology: Topology, settings: GameSettings) -> NetworkedMDP:
    """The game that the settings describe.

    Raises:
        EnvironmentMismatchError: the rules do not fit the topology.
        CapacityError: a written table would be too large.
        ExperimentError: a game file that was not loaded.
    """
    rules = settings.rules
    stage: StageRules
    match rules:
        case PrisonersDilemmaRules() | StagHuntRules() | ChickenRules() | PureCoordinationRules():
            stage = matrix_game(topology, rules, rules.kind)
        case PublicGoodsRules():
            stage = public_goods(topology, rules)
        case RelyRules():
            stage = rely(topology, rules)
        case GameTableRules():
            if settings.memory == "none":
                return TableGame(topology, written_game(rules.game), settings.horizon, settings.gamma)
            stage = stage_rules(topology, rules.game)
        case GameFileRules():
            raise ExperimentError(
                f"the game file '{rules.path}' has not been read", where="environment.rules", fix="load the experiment by load_experiment"
            )
        case _:
            assert_never(rules)
    return StageGame(topology, stage, settings.memory == "last_action", settings.horizon, settings.gamma)
