"""Load balancing on a graph: nodes execute jobs or off-load them to neighbours, and all start anew when one overflows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.factored_kernel import FactoredKernel, LocalKernel
from netagents.environments.finite_mdp import FiniteNetworkedMDP, joint_actions, require_capacity, transition
from netagents.environments.networked_mdp import Capabilities, EnvironmentSpec, FloatArray, IntArray, JointState, Transition
from netagents.environments.spaces import Discrete
from netagents.experiment.games import LoadBalancingSettings
from netagents.topology import Topology


class LoadBalancing(FiniteNetworkedMDP):
    """The networked MDP on which RoM-Q is tried (robust multi-agent Q-learning; node pairs, rings and stars of its released code).

    A node's local state is its load 0..c, or c + 1 after an overflow.  With d neighbours it has 2 (d + 1) actions: action a executes a
    job where a is odd, and off-loads one to its (a // 2)-th neighbour, ascending, where a >= 2.  A node with too few jobs drops the
    execution first, then the off-loading.  Then

        l' = l - off-loaded - executed + arrivals from neighbours + a new job with probability ``arrival``,

    and the node earns ``alive`` less the costs of what it did.  A load above c is an overflow: the node pays ``penalty`` and goes to
    c + 1; in the step after that nobody earns anything, actions do nothing, and all loads become 0.  Loads start at 0.

    That rewards are each node's own, ``alive`` included, is ours.

    Args:
        topology: any graph.
        settings: capacity, arrival, rewards and costs.
    """

    def __init__(self, topology: Topology, settings: LoadBalancingSettings | None = None) -> None:
        settings = settings or LoadBalancingSettings()
        n, full = topology.n, settings.capacity + 1
        self.topology = topology
        self.settings = settings
        self._near = [sorted(int(j) for j in topology.neighbours(i)) for i in range(n)]
        self._execute = np.array([settings.execute_costs[i % len(settings.execute_costs)] for i in range(n)])
        self._offload = np.array([settings.offload_costs[i % len(settings.offload_costs)] for i in range(n)])
        # target[i, k] is where action a // 2 = k of node i sends a job; n stands for nowhere.
        widest = 1 + max(len(near) for near in self._near)
        self._target = np.full((n, widest), n, dtype=np.int64)
        for i, near in enumerate(self._near):
            self._target[i, 1 : 1 + len(near)] = near
        actions = tuple(2 * (1 + len(near)) for near in self._near)
        self.spec = EnvironmentSpec(
            name="load_balancing",
            state_spaces=(Discrete(full + 1),) * n,
            action_spaces=tuple(map(Discrete, actions)),
            horizon=settings.horizon,
            discount=settings.gamma,
            reset_noise=(0,),
            step_noise=(n,),
            reach_offset=0 if any(self._near) else 1,
            state_scopes=(tuple(range(n)),) * n,
            action_scopes=tuple(tuple(sorted([i, *near])) for i, near in enumerate(self._near)),
            capabilities=Capabilities(enumerable=True),
        )

    def reset(self, noise: FloatArray) -> JointState:
        """All loads 0."""
        return np.zeros((len(noise), self.spec.n), dtype=np.int64)

    def step(self, state: JointState, actions: Sequence[NDArray[Any]], noise: FloatArray) -> Transition:
        """One step; node i gets a new job where ``noise[:, i]`` is below ``arrival``."""
        n, full = self.spec.n, self.settings.capacity + 1
        executed, off, target = self._effects(state, joint_actions(actions))
        load = state - executed - off + (noise < self.settings.arrival)
        arrived = np.zeros((len(state), n + 1), dtype=np.int64)
        np.add.at(arrived, (np.arange(len(state))[:, None], target), off)
        load += arrived[:, :n]
        down = (state == full).any(axis=1, keepdims=True)
        over = load > self.settings.capacity
        rewards = self.settings.alive - self._execute * executed - self._offload * off - self.settings.penalty * over
        return transition(np.where(down, 0, np.where(over, full, load)), np.where(down, 0.0, rewards))

    def _effects(self, state: IntArray, acts: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """Jobs executed and off-loaded by each node, and where to; ``(B, n)`` each."""
        target = self._target[np.arange(self.spec.n), acts // 2]
        off = ((acts >= 2) & (state >= 1)).astype(np.int64)
        executed = ((acts % 2 == 1) & (state - off >= 1)).astype(np.int64)
        return executed, off, target

    def kernel(self) -> FactoredKernel:
        """Exact tables over all loads (a reset concerns everybody) and the actions of the closed neighbourhood.

        Raises:
            CapacityError: they would be too large (with c = 3, rings of up to 5 nodes fit).
        """
        n, size = self.spec.n, self.settings.capacity + 2
        choices = [space.size for space in self.spec.action_spaces if isinstance(space, Discrete)]
        require_capacity(self.spec.name, [size ** (n + 1) * prod(choices[k] for k in scope) for scope in self.spec.action_scopes])
        states = np.indices((size,) * n).reshape(n, -1).T
        all_agents = tuple(range(n))
        start = np.eye(size)[0]
        agents = []
        for i, scope in enumerate(self.spec.action_scopes):
            law, reward = np.zeros((len(states), *(choices[k] for k in scope), size)), np.zeros((len(states), *(choices[k] for k in scope)))
            acts = np.zeros((len(states), n), dtype=np.int64)
            for joint_action in product(*(range(choices[k]) for k in scope)):
                acts[:, scope] = joint_action
                for chance, noise in ((self.settings.arrival, 0.0), (1.0 - self.settings.arrival, 1.0)):
                    after = self.step(states, list(acts.T), np.full(acts.shape, noise))
                    entry: Any = (np.arange(len(states)), *joint_action)
                    law[(*entry, after.state[:, i])] += chance
                    reward[entry] += chance * after.rewards[:, i]
            shape = (size,) * n + reward.shape[1:]
            agents.append(LocalKernel(all_agents, scope, law.reshape(*shape, size), reward.reshape(shape), start.copy()))
        return FactoredKernel((size,) * n, tuple(choices), tuple(agents))
