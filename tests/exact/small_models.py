"""Small models for the oracle's tests, and brute-force answers that share no code with it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from math import prod

import numpy as np

from netagents.environments.builtin.line_msg import LineMsg
from netagents.environments.builtin.random_networked import RandomNetworked
from netagents.environments.factored_kernel import FactoredKernel, LocalKernel
from netagents.exact import JointModel, JointPolicy, softmax_policy
from netagents.exact.joint_policy import policy_contexts
from netagents.experiment.environment_settings import LineMsgSettings, RandomNetworkedSettings
from netagents.topology.generators import line, ring


def line_distances(n):
    return np.abs(np.subtract.outer(np.arange(n), np.arange(n))).astype(float)


def ring_distances(n):
    apart = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    return np.minimum(apart, n - apart).astype(float)


def scopes_of(distances, radius):
    return tuple(tuple(int(j) for j in np.flatnonzero(row <= radius)) for row in distances)


def random_logits(kernel, scopes, rng, scale=1.0):
    return [scale * rng.standard_normal(shape) for shape in zip(policy_contexts(kernel, scopes), kernel.action_sizes, strict=True)]


def random_policy(kernel, scopes, rng, scale=1.0) -> JointPolicy:
    return softmax_policy(kernel, scopes, random_logits(kernel, scopes, rng, scale))


def random_kernel(rng, n, states, actions, state_scopes, action_scopes, *, sharpness=1.0, own_reward=False) -> FactoredKernel:
    """Random tables on given scopes; ``sharpness`` 0 makes next states nearly independent of everything."""
    agents = []
    for i in range(n):
        shape = (*(states[j] for j in state_scopes[i]), *(actions[k] for k in action_scopes[i]))
        base = rng.dirichlet(np.ones(states[i]))
        table = (1.0 - sharpness) * base + sharpness * rng.dirichlet(np.full(states[i], 0.7), size=shape)
        reward = rng.standard_normal(shape)
        if own_reward:
            own = [1] * len(shape)
            own[state_scopes[i].index(i)] = states[i]
            own[len(state_scopes[i]) + action_scopes[i].index(i)] = actions[i]
            reward = np.broadcast_to(rng.standard_normal(own), shape).copy()
        agents.append(LocalKernel(state_scopes[i], action_scopes[i], table, reward, rng.dirichlet(np.ones(states[i]))))
    return FactoredKernel(tuple(states), tuple(actions), tuple(agents))


def any_kernel(rng, n=3, largest=3, **options) -> FactoredKernel:
    """Random sizes and random scopes of any kind: empty ones, other agents only, coupled actions."""

    def scope():
        return tuple(j for j in range(n) if rng.random() < 0.6)

    sizes = rng.integers(2, largest + 1, size=(2, n)).tolist()
    return random_kernel(rng, n, sizes[0], sizes[1], [scope() for _ in range(n)], [scope() for _ in range(n)], **options)


def network_kernel(rng, distances, *, couple_actions=False, **options) -> FactoredKernel:
    """Binary agents whose next state reads the closed neighbourhood's states (or, coupled, own state and neighbours' actions)."""
    n = len(distances)
    near, own = scopes_of(distances, 1), scopes_of(distances, 0)
    return random_kernel(rng, n, [2] * n, [2] * n, own if couple_actions else near, near if couple_actions else own, **options)


def wireless_line(n, deadline=1, arrival=0.5, success=0.8) -> FactoredKernel:
    """Wireless access on a line: n users, n - 1 access points, user i serves itself of points i - 1 and i.

    Actions: 0 waits, 1 sends left, 2 sends right.  Two users at a point collide, with empty queues as well; the packet that expires
    first leaves; then the queue shifts and a packet arrives.  Neighbours' actions enter the same step's reward.
    """
    queues = 2**deadline
    agents = []
    for i in range(n):
        scope = tuple(j for j in (i - 1, i, i + 1) if 0 <= j < n)
        shape = (queues, *(3,) * len(scope))
        table, reward = np.zeros((*shape, queues)), np.zeros(shape)
        for queue in range(queues):
            for acts in itertools.product(range(3), repeat=len(scope)):
                played = dict(zip(scope, acts, strict=True))
                own_points = played[i]
                point = {0: None, 1: i - 1, 2: i}[own_points]
                exists = point is not None and 0 <= point < n - 1
                blocked = (own_points == 1 and played.get(i - 1) == 2) or (own_points == 2 and played.get(i + 1) == 1)
                chance = success if exists and not blocked and queue > 0 else 0.0
                reward[(queue, *acts)] = chance
                for sent, probability in ((1, chance), (0, 1.0 - chance)):
                    left = queue - (queue & -queue) if sent else queue
                    for arrived, more in ((1, arrival), (0, 1.0 - arrival)):
                        table[(queue, *acts, (left >> 1) | (arrived << (deadline - 1)))] += probability * more
        agents.append(LocalKernel((i,), scope, table, reward, np.full(queues, 1.0 / queues)))
    return FactoredKernel((queues,) * n, (3,) * n, tuple(agents))


@dataclass(frozen=True)
class Entropy:
    """weight * entropy of (1 - gamma) lambda over pairs, with a floor inside the logarithm."""

    discount: float
    weight: float = 1.0
    floor: float = 1e-6

    def value(self, occupancy):
        p = (1.0 - self.discount) * occupancy
        return float(-self.weight * (p * np.log(p + self.floor)).sum())

    def gradient(self, occupancy):
        p = (1.0 - self.discount) * occupancy
        return -self.weight * (1.0 - self.discount) * (np.log(p + self.floor) + p / (p + self.floor))


@dataclass(frozen=True)
class Linear:
    """<rewards, lambda>."""

    rewards: np.ndarray

    def value(self, occupancy):
        return float((self.rewards * occupancy).sum())

    def gradient(self, occupancy):
        return np.broadcast_to(self.rewards, occupancy.shape)


@dataclass(frozen=True)
class SquaredDistance:
    """-|(1 - gamma) lambda - target|^2: smooth and concave."""

    discount: float
    target: np.ndarray

    def value(self, occupancy):
        return float(-(((1.0 - self.discount) * occupancy - self.target) ** 2).sum())

    def gradient(self, occupancy):
        return -2.0 * (1.0 - self.discount) * ((1.0 - self.discount) * occupancy - self.target)


class BruteForce:
    """Everything by loops over joint states and actions: P(s'|s,a), pi(a|s), V and Q by value iteration to rounding."""

    def __init__(self, kernel: FactoredKernel, policy: JointPolicy, discount: float) -> None:
        self.discount = discount
        self.states = list(itertools.product(*(range(size) for size in kernel.state_sizes)))
        self.actions = list(itertools.product(*(range(size) for size in kernel.action_sizes)))
        S, A, n = len(self.states), len(self.actions), len(kernel.agents)
        self.P, self.pi, self.r = np.ones((S, A, S)), np.ones((S, A)), np.zeros((n, S, A))
        for x, s in enumerate(self.states):
            for y, a in enumerate(self.actions):
                for i, local in enumerate(kernel.agents):
                    where = (*(s[j] for j in local.state_scope), *(a[k] for k in local.action_scope))
                    self.r[i, x, y] = local.reward[where]
                    self.P[x, y] *= local.transition[where][[t[i] for t in self.states]]
                    scope = policy.scopes[i]
                    row = 0
                    for j in scope:
                        row = row * kernel.state_sizes[j] + s[j]
                    self.pi[x, y] *= policy.tables[i][row, a[i]]
        self.start = np.array([prod(local.initial[s[i]] for i, local in enumerate(kernel.agents)) for s in self.states])

    def q(self, reward, steps=None):
        """Q by backward induction until gamma^t is below rounding."""
        steps = steps or int(np.log(1e-17) / np.log(self.discount))
        values = np.zeros(len(self.states))
        for _ in range(steps):
            q = reward + self.discount * self.P @ values
            values = (self.pi * q).sum(axis=1)
        return reward + self.discount * self.P @ values


def model_and_policy(seed, discount=0.8, n=3, radius=1, **options):
    rng = np.random.default_rng(seed)
    kernel = any_kernel(rng, n, **options)
    scopes = scopes_of(line_distances(n), radius)
    return JointModel(kernel, discount), random_policy(kernel, scopes, rng)


GRAPHS = {"line": line, "ring": ring}


def line_msg(n, coupling=0.8) -> FactoredKernel:
    return LineMsg(line(n), LineMsgSettings(coupling=coupling)).kernel()


def random_networked(kind, n, **settings) -> RandomNetworked:
    return RandomNetworked(GRAPHS[kind](n), RandomNetworkedSettings(**settings))
