"""LineMsg: bits travel along a chain of agents, from the last one to agent 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.factored_kernel import FactoredKernel, LocalKernel
from netagents.environments.finite_mdp import FiniteNetworkedMDP, joint_actions, transition
from netagents.environments.networked_mdp import Capabilities, EnvironmentSpec, FloatArray, JointState, Transition
from netagents.environments.spaces import Discrete
from netagents.errors import EnvironmentMismatchError
from netagents.experiment.environment_settings import LineMsgSettings
from netagents.topology import Topology

HORIZON = 125
DISCOUNT = 0.99
REWARD = 0.1
HEAD_REWARD = 1.0


class LineMsg(FiniteNetworkedMDP):
    """The message-passing chain of SPDAC (arXiv 2305.17568), n >= 2 agents with one bit of state and of action each.

    All agents start at 1 and move at once, from the old states:

    * the last agent: ``s' = a``;
    * agents in between: ``a = 0`` gives ``s' = 0``; ``a = 1`` gives ``s' = 1`` surely if the right neighbour holds 1, and with
      probability ``coupling`` otherwise;
    * agent 0: ``s' = s_1``; its own action does nothing.

    Rewards read the new state: 0.1 for ``s' = 1``, ten times that for agent 0.  Influence runs one way, right to left, one hop
    per step.  With 10 agents and coupling 0.8 uniform policies return 10.70 per agent over 125 steps, and acting always 23.75.

    Args:
        topology: a line, agent i next to agent i + 1.
        settings: ``coupling``.

    Raises:
        EnvironmentMismatchError: the topology is not such a line, or has a single agent.
    """

    def __init__(self, topology: Topology, settings: LineMsgSettings | None = None) -> None:
        settings = settings or LineMsgSettings()
        _require_line(topology)
        n = topology.n
        self.topology = topology
        self.coupling = settings.coupling
        # Agent 0 acts on nobody and the last agent hears nobody: scopes name only what really enters.
        states = tuple((i + 1,) if i < n - 1 else () for i in range(n))
        actions = tuple((i,) if i > 0 else () for i in range(n))
        self._weights = np.full(n, REWARD)
        self._weights[0] = HEAD_REWARD
        self.spec = EnvironmentSpec(
            name="line_msg",
            state_spaces=(Discrete(2),) * n,
            action_spaces=(Discrete(2),) * n,
            horizon=HORIZON,
            discount=DISCOUNT,
            reset_noise=(0,),
            step_noise=(n,),
            reach_offset=1,
            state_scopes=states,
            action_scopes=actions,
            untrained_return=self._uniform_return(n),
            # Acting always keeps every bit at 1, which is the largest reward there is.
            best_return=HORIZON * (HEAD_REWARD + (n - 1) * REWARD) / n,
            capabilities=Capabilities(enumerable=True),
        )

    def reset(self, noise: FloatArray) -> JointState:
        """All ones, ``(B, n)`` int64; only B is read from the noise ``(B, 0)``."""
        return np.ones((len(noise), self.spec.n), dtype=np.int64)

    def step(self, state: JointState, actions: Sequence[NDArray[Any]], noise: FloatArray) -> Transition:
        """One synchronous update; ``noise[:, i] < coupling`` is agent i's luck when its neighbour holds 0."""
        acts = joint_actions(actions)
        after = np.empty_like(acts)
        after[:, 0] = state[:, 1]
        after[:, -1] = acts[:, -1]
        # States and actions are bits.
        np.bitwise_and(acts[:, 1:-1], state[:, 2:] | (noise[:, 1:-1] < self.coupling), out=after[:, 1:-1])
        return transition(after, after * self._weights)

    def kernel(self) -> FactoredKernel:
        """Exact tables of at most 8 entries per agent."""
        n = self.spec.n
        certain = np.eye(2)
        lucky = np.array([1.0 - self.coupling, self.coupling])
        between = np.array([[certain[0], lucky], [certain[0], certain[1]]])
        tables = [certain, *([between] * (n - 2)), certain]
        start = np.array([0.0, 1.0])
        agents = tuple(
            LocalKernel(
                state_scope=self.spec.state_scopes[i],
                action_scope=self.spec.action_scopes[i],
                transition=table.copy(),
                reward=table[..., 1] * self._weights[i],
                initial=start.copy(),
            )
            for i, table in enumerate(tables)
        )
        return FactoredKernel((2,) * n, (2,) * n, agents)

    def _uniform_return(self, n: int) -> float:
        """Exact mean return of uniform policies: own action and right neighbour's bit are independent, so marginals suffice."""
        ones = np.ones(n)
        total = 0.0
        for _ in range(HORIZON):
            after = np.full(n, 0.5)
            after[1:-1] = 0.5 * (self.coupling + (1.0 - self.coupling) * ones[2:])
            after[0] = ones[1]
            ones = after
            total += float((ones * self._weights).mean())
        return total


def _require_line(topology: Topology) -> None:
    edges = {(int(i), int(j)) for i, j in topology.edges}
    if topology.n < 2 or edges != {(i, i + 1) for i in range(topology.n - 1)}:
        raise EnvironmentMismatchError(
            f"environment 'line_msg' cannot run on a '{topology.kind}' topology of {topology.n} agents and {len(edges)} edges",
            where="topology",
            fix="use kind 'line' with n >= 2, agent i next to agent i + 1",
        )
