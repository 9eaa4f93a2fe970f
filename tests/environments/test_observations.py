"""A local observation that is not the local state: what agents are sent, index their tables by and tell each other."""

from __future__ import annotations

import pytest

from netagents.errors import EnvironmentMismatchError
from netagents.exact import exact_experiment
from netagents.experiment import load_experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.prepared_experiment import prepare
from netagents.messages import Kind
from netagents.testing import check_environment

SETTINGS = {
    "environment": {"kind": "import:half_blind:HalfBlind"},
    "topology": {"kind": "line", "n": 3},
    "kappa": 1,
    "learning": {"iterations": 1, "batch": 4, "horizon": 6},
}


def test_tables_are_over_observations() -> None:
    prepared = prepare(load_experiment(SETTINGS).experiment)
    check_environment(prepared.environment)
    values: dict[Kind, set[int]] = {Kind.STEP: set(), Kind.STATE: set()}

    def observe(_receiver: int, turn: object, messages: list) -> None:
        for message in messages:
            if turn.kind in values:  # type: ignore[attr-defined]
                values[turn.kind] |= set(message[0].tolist())  # type: ignore[attr-defined]

    network = InProcessNetwork(prepared.setup, prepared.environment, observe)
    list(network.run(0, 1))
    assert [agent.policy.contexts for agent in network.tabular_agents] == [9, 27, 9]
    assert values == {Kind.STEP: {0, 1, 2}, Kind.STATE: {0, 1, 2}}


def test_exact_values_of_policies_that_do_not_see_the_state_are_refused() -> None:
    with pytest.raises(EnvironmentMismatchError, match="agents of environment 'line_msg' do not observe their local states"):
        exact_experiment(load_experiment(SETTINGS).experiment)
