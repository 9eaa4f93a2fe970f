"""A policy of one's own trains like the built-in one, and the check finds what is wrong with one that does not keep the contract."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from experiments import line_msg

from netagents.errors import EnvironmentMismatchError
from netagents.experiment import Experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.prepared_experiment import prepare
from netagents.policies import SoftmaxTable
from netagents.testing import check_policy


class Tempered(SoftmaxTable):
    """Softmax of twice the parameters: the same policies at half the distance."""

    def __init__(self, window: Any, state_sizes: Any, action_size: int, heat: float = 2.0) -> None:
        self.heat = heat
        super().__init__(window, state_sizes, action_size)

    def distribution(self, logits: np.ndarray) -> np.ndarray:
        return super().distribution(self.heat * logits)

    def score_sum(self, credit: np.ndarray) -> np.ndarray:
        return self.heat * super().score_sum(credit)


class WrongScore(Tempered):
    def score_sum(self, credit: np.ndarray) -> np.ndarray:
        return SoftmaxTable.score_sum(self, credit)


class Unnormalised(Tempered):
    def distribution(self, logits: np.ndarray) -> np.ndarray:
        return 0.9 * super().distribution(logits)


class Growing(Tempered):
    def project(self, logits: np.ndarray, bound: float) -> np.ndarray:
        return logits + bound


class Restless(Tempered):
    calls = 0

    def distribution(self, logits: np.ndarray) -> np.ndarray:
        self.calls += 1
        return super().distribution(logits + np.arange(logits.shape[1]) * 1e-3 * self.calls)


@pytest.mark.parametrize("make", [SoftmaxTable, Tempered, partial(Tempered, heat=0.5)])
def test_policies_that_keep_the_contract_pass(make: Any) -> None:
    check_policy(make)
    check_policy(make, state_sizes=(3,), action_size=2, seed=4)


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (WrongScore, "'score': score_sum is off its central differences"),
        (Unnormalised, "'distribution': a row is no distribution"),
        (Growing, "'project': projecting twice"),
        (Restless, "'distribution': the same parameters give other probabilities"),
        (lambda *_: 3, "'class': it made a int"),
        (lambda: 3, "'making it': TypeError"),
    ],
)
def test_broken_ones_are_named_with_the_rule_they_break(make: Any, rule: str) -> None:
    with pytest.raises(EnvironmentMismatchError) as caught:
        check_policy(make)
    assert rule in str(caught.value)


def trained(policy: dict[str, Any], step_size: float, bound: float) -> list[Any]:
    experiment = Experiment.model_validate(
        line_msg(3, policy=policy, batch=32, horizon=40, learning={"learning_rate": step_size, "logit_bound": bound})
    )
    prepared = prepare(experiment)
    network = InProcessNetwork(prepared.setup, prepared.environment)
    returns = [record.team_return for record in network.run(0, 6)]
    return [returns, [agent.policy.probabilities for agent in network.agents]]


def test_another_parametrisation_of_the_same_policies_learns_the_same() -> None:
    # theta' = theta / 2 with a gradient twice as long: a quarter of the step walks the same policies.
    plain = trained({"kind": "softmax"}, 8.0, 2.0)
    tempered = trained({"kind": f"import:{__name__}:Tempered", "parameters": {"heat": 2.0}}, 2.0, 1.0)
    assert plain[0] == tempered[0]
    for left, right in zip(plain[1], tempered[1], strict=True):
        assert left == pytest.approx(right, rel=1e-9)
    assert plain[0][-1] > plain[0][0]
