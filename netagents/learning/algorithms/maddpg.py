"""MADDPG (Lowe et al., arXiv 1706.02275) in a network: deterministic policies, replay, and critics of a window instead of of everybody.

Agent i has mu_i(o_i) over what it observes within kappa_policy and Q_i(x, a) over everyone within kappa_critic.  With kappa_critic the
diameter of the graph it is the paper's algorithm; with kappa_critic 0 it is independent DDPG.  For a minibatch of replayed transitions

    y_i = u_i + gamma Q'_i(x', a'),   a'_j = mu'_j(o'_j) of every j in the window,
    theta_i climbs  mean Q_i(x, a_1, ..., mu_i(o_i), ..., a_N) - c mean z^2,   a_j as replayed,  z the outputs of mu_i's perceptron,

where each a'_j comes from agent j as a message: everyone draws the same transitions from the seed, so nothing else has to be said.
u_i is the learning signal of the time at which the transition was sampled: task reward or incentive, shadow reward, and further terms.
A policy with memory reads the steps before each replayed one as well (:mod:`netagents.learning.algorithms.replayed_contexts`).
Robust relatives (:mod:`netagents.learning.algorithms.robust`) put another value in the place of Q_i and Q'_i on the right.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.critics.action_value import ActionValue
from netagents.environments.feature_encoders import width
from netagents.experiment.algorithm_settings import MaddpgSettings
from netagents.experiment.robust_settings import RomQSettings
from netagents.learning.algorithms.lambda_returns import lambda_returns
from netagents.learning.algorithms.neural_agent import Critic, FloatArray, NeuralAgent, NeuralBatch, along
from netagents.learning.algorithms.registry import ALGORITHMS
from netagents.learning.algorithms.relaxed_actions import RelaxedActions
from netagents.learning.algorithms.replay_layout import replay_iterations, replay_layout
from netagents.learning.algorithms.replayed_contexts import ReplayedContexts, replayed_contexts
from netagents.learning.algorithms.robust.ernie import smoothness_penalty
from netagents.learning.algorithms.robust.robust_value import PlainValue, make_robust_value
from netagents.learning.algorithms.robust.rom_q import WorstPlay, adversarial_copies
from netagents.learning.algorithms.step_sizes import step_size_at
from netagents.learning.protocol.replay_buffer import ReplayBuffer
from netagents.learning.protocol.requests import ExchangeRequest
from netagents.learning.protocol.rollout import Rollout
from netagents.learning.protocol.setup import Setup
from netagents.learning.signals.learning_signal import SignalValues, weighted_sum
from netagents.messages import Kind, TargetAction, Trace
from netagents.policies.recurrent_policy import RecurrentPolicy
from netagents.policies.torch_mlp import TrainedMlp, repeatable_torch, tensor
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream

if TYPE_CHECKING:
    import torch

IntArray = NDArray[np.int64]


class Minibatch(NamedTuple):
    """M replayed transitions, all (M, ...).

    Attributes:
        context, next_context: what the policy reads before and after the step, with earlier steps where it has a memory.
        observed, next_observed: what the critic reads of everyone in its window.
        acted, next_acted: their actions as features; those after the step are what they went on to do.
        signal, bootstrap: u_i; 0 after a terminal state, else gamma.
        weight, own_weight: 0 for steps after the agent's end, for the latter also for those that its policy did not choose; of mean 1.
        mask, next_mask: legal actions, where some are not.
        next_hops: how far away contacts were after the step, in a graph that moves.
    """

    context: ReplayedContexts
    next_context: ReplayedContexts
    observed: torch.Tensor
    next_observed: torch.Tensor
    acted: torch.Tensor
    next_acted: torch.Tensor
    signal: torch.Tensor
    bootstrap: torch.Tensor
    weight: torch.Tensor
    own_weight: torch.Tensor
    mask: NDArray[np.bool_] | None
    next_mask: NDArray[np.bool_] | None
    next_hops: NDArray[np.uint8] | None


class MaddpgAgent(NeuralAgent):
    """An agent that learns by MADDPG.

    Args:
        index: i.
        setup: what all agents share.
    """

    facts = ALGORITHMS["maddpg"].facts
    settings: MaddpgSettings
    replay_buffer: ReplayBuffer

    def __init__(self, index: int, setup: Setup) -> None:
        super().__init__(index, setup)
        self.replay_buffer = ReplayBuffer(replay_layout(setup, index), replay_iterations(setup, self.settings.replay))
        self.relaxed = RelaxedActions(self.policy)
        own, columns = self.critic_window.index(index), self.action_reader.columns
        self.own_columns = columns[own]
        self.robust = make_robust_value(self.settings.robust, columns, own, self.action_reader.spaces)
        self._unscaled: dict[str, NDArray[np.float32]] = {}

    def make_critics(self, generator: np.random.Generator) -> None:
        """The action value, and target networks of it and of the policy."""
        settings = self.settings
        self.q = ActionValue(settings.q, self.inputs, settings.max_grad_norm, generator, self.index)
        self.actor.gradient_clip = settings.max_grad_norm if self.learning.max_grad_norm is None else self.learning.max_grad_norm
        self.target_policy = self.actor.flat.detach().clone()
        self.own_q: ActionValue | None = None
        if isinstance(settings.robust, RomQSettings):
            # Of what the policy reads and the own action alone: an agent that acts knows no more.
            inputs = self.policy.reader.size + width(self.setup.spec.action_spaces[self.index])
            self.own_q = ActionValue(settings.q, inputs, settings.max_grad_norm, generator, self.index)

    def critics(self) -> Mapping[str, Critic]:
        """Every critic beside the task critic."""
        return {"q": self.q} if self.own_q is None else {"q": self.q, "own_q": self.own_q}

    # -- how it learns ---------------------------------------------------------------------------------------------------

    def learn(
        self,
        iteration: int,
        batch: NeuralBatch,
        signal: SignalValues,
        table: FloatArray,  # noqa: ARG002 - nobody else learns from it
    ) -> Generator[ExchangeRequest, list[Any], dict[str, float]]:
        """Remember the batch; then replayed minibatches: target actions as messages, critic, policy, target networks."""
        settings, setup = self.settings, self.setup
        self._remember(iteration, batch, signal)
        self.actor.rate = step_size_at(self.learning.schedule, settings.learning_rate, iteration)
        numbers: dict[str, float] = {}
        # The same numbers for everybody: all agents replay the same transitions.
        shared = stream(setup.experiment.seed, ENVIRONMENT_OWNER, Purpose.REPLAY, iteration)
        targets = stream(setup.experiment.seed, self.index, Purpose.TARGET_ACTIONS, iteration)
        relaxation = stream(setup.experiment.seed, self.index, Purpose.RELAXATION, iteration)
        changes = stream(setup.experiment.seed, self.index, Purpose.ROBUSTNESS, iteration)
        for update in range(settings.updates):
            where = f"iteration {iteration}, update {update}"
            with repeatable_torch():
                replayed = self._draw(shared)
                own = TargetAction(self._target_actions(replayed, targets))
            target_actions: dict[int, TargetAction] = yield from self.share(iteration, Kind.TARGET_ACTION, own, update, replayed.next_hops)
            with repeatable_torch():
                next_acted = self._next_actions(replayed, {self.index: own, **target_actions})
                numbers |= self._fit_critic(replayed, next_acted, where)
                numbers |= self._improve(replayed, relaxation, changes, where)
                self._follow()
        self.policy.load(self.actor.weights())
        return {**numbers, "replayed": float(len(self.replay_buffer.used) * batch.rollout.alive.size)}

    def _fit_critic(self, replayed: Minibatch, next_acted: torch.Tensor, where: str) -> dict[str, float]:
        """y = u + gamma Q'(x', a'), or a robust value in the place of Q'; one step of Q towards it."""
        import torch

        numbers: dict[str, float] = {}
        with torch.no_grad():
            ahead = self.robust.values(self.q, replayed.next_observed, next_acted, self.q.target)
            if not isinstance(self.robust, PlainValue):
                plain = self.q.values(replayed.next_observed, next_acted, self.q.target)
                numbers["robust_gap"] = float((replayed.weight * (plain - ahead)).mean())
            goals = replayed.signal + replayed.bootstrap * ahead
        if self.own_q is not None:
            own = next_acted[:, self.own_columns]
            with torch.no_grad():
                alone = replayed.signal + replayed.bootstrap * self.own_q.values(replayed.next_context.features, own, self.own_q.target)
            self.own_q.fit(replayed.context.features, replayed.acted[:, self.own_columns], alone, replayed.weight, where)
        return {**numbers, "q_change": self.q.fit(replayed.observed, replayed.acted, goals, replayed.weight, where)}

    def _improve(self, replayed: Minibatch, generator: np.random.Generator, changes: np.random.Generator, where: str) -> dict[str, float]:
        """One step of the policy up Q_i with the agent's own action replaced by what its policy does now."""
        import torch

        gumbel = self.relaxed.noise(generator, len(replayed.signal))
        if self.substitute is not None:
            return {}
        outputs = replayed.context.outputs(self.actor)
        action = self.relaxed.features(outputs, gumbel, replayed.mask)
        first, last = self.own_columns.start, self.own_columns.stop
        acted = torch.cat([replayed.acted[:, :first], action, replayed.acted[:, last:]], dim=1)
        climbed = (replayed.own_weight * self.robust.values(self.q, replayed.observed, acted)).mean()
        loss = self.settings.logit_penalty * outputs.square().mean() - climbed
        if self.settings.ernie is not None and isinstance(self.actor, TrainedMlp):
            loss = loss + smoothness_penalty(self.actor, replayed.context.features, self.settings.ernie, changes)
        square = self.actor.descend(loss, where)
        numbers = {"gradient_sq": square, "policy_entropy": self.relaxed.entropy(outputs.detach(), replayed.mask)}
        return {name: value for name, value in numbers.items() if not np.isnan(value)}

    def _follow(self) -> None:
        import torch

        for critic in (self.q, self.own_q):
            if critic is not None:
                critic.follow(self.settings.tau)
        with torch.no_grad():
            self.target_policy.lerp_(self.actor.flat, self.settings.tau)

    # -- actions of target policies --------------------------------------------------------------------------------------

    def _target_actions(self, replayed: Minibatch, generator: np.random.Generator) -> NDArray[Any]:
        """What the own target policy does after each step, (M,) or (M, *shape) as actions travel."""
        import torch

        gumbel = self.relaxed.noise(generator, len(replayed.signal))
        with torch.no_grad():
            outputs = replayed.next_context.outputs(self.actor, self.target_policy)
            actions = self.relaxed.executed(outputs, gumbel, replayed.next_mask)
        return actions.astype(self.setup.action_array(self.index).dtype)

    def _next_actions(self, replayed: Minibatch, targets: Mapping[int, TargetAction]) -> torch.Tensor:
        """(M, A) features of what everybody in the window does after the step: as told, else (frozen, muted) as it was then done."""
        acted = replayed.next_acted.clone()
        near = None
        if self.nearby is not None and replayed.next_hops is not None:
            near = self.nearby.marks(Kind.TARGET_ACTION, self.critic_window, replayed.next_hops)
        for member, j in enumerate(self.critic_window):
            if j in targets:
                features = self.action_reader.read_one(member, targets[j].actions)
                acted[:, self.action_reader.columns[member]] = tensor(features if near is None else features * near[member][:, None])
        return acted

    # -- replay ----------------------------------------------------------------------------------------------------------

    def sample(self, iteration: int) -> Generator[ExchangeRequest, Any, Rollout]:
        """Roll out, and keep what the policy read as it was observed: numbers without bounds are replayed at the scale of the day."""
        robust, marked = self.settings.robust, None
        if self.own_q is not None and isinstance(robust, RomQSettings) and self.substitute is None:
            setup, seed = self.setup, self.setup.experiment.seed
            marked = adversarial_copies(seed, iteration, setup.batch, setup.n, self.index, robust.probability)
            self.substitute = WorstPlay(self.policy, self.own_q, robust, marked)
        try:
            with self.policy.reader.collected() as parts:
                rollout = yield from super().sample(iteration)
        finally:
            if marked is not None:
                self.substitute = None
        if marked is not None:
            rollout.chosen = rollout.alive & ~marked
        self._unscaled["context"] = np.concatenate(parts)
        return rollout

    def read(self, iteration: int, rollout: Rollout, members: Sequence[Trace]) -> NeuralBatch:
        """The batch, of which is kept what the critic read, likewise."""
        with self.reader.collected() as parts:
            batch = super().read(iteration, rollout, members)
        self._unscaled["observed"] = np.concatenate(parts)
        return batch

    def _remember(self, iteration: int, batch: NeuralBatch, signal: SignalValues) -> None:
        """Put the batch into the buffer, and move the units of the critic towards its returns."""
        rollout, read = batch.rollout, batch.transitions
        private = weighted_sum(signal.weights, signal.private)
        whole = signal.own if private is None else signal.own + private
        arrays: dict[str, NDArray[Any]] = {
            **self._unscaled,
            "acted": read.features[:, self.observed_size :].numpy(),
            **self._memory(rollout),
            "signal": whole.reshape(-1),
            "alive": rollout.alive.reshape(-1),
            "chosen": rollout.chosen.reshape(-1),
            "bootstrap": rollout.bootstrap.reshape(-1) != 0.0,
        }
        for name, block in (("mask", rollout.mask), ("hops", rollout.hops)):
            if block is not None:
                arrays[name] = block.reshape(-1, block.shape[2])
        self.replay_buffer.add(iteration, arrays)
        with repeatable_torch():
            returns = self._returns(rollout, batch, whole)
            for critic in (self.q, self.own_q):
                if critic is not None:
                    critic.follow_returns(returns)

    def _memory(self, rollout: Rollout) -> dict[str, NDArray[Any]]:
        """``memory`` ((T + 1) B, U) after each decision was read; nothing of a policy without one."""
        if not isinstance(self.policy, RecurrentPolicy):
            return {}
        return {"memory": self.policy.memory_of(rollout.context.reshape(-1, rollout.context.shape[2]))}

    def _returns(self, rollout: Rollout, batch: NeuralBatch, signal: FloatArray) -> FloatArray:
        """(M,) returns of the batch's living steps, with the critic in the place of what follows the last one."""
        import torch

        read = batch.transitions
        observed, acted = read.features.split_with_sizes([self.observed_size, self.action_reader.size], dim=1)
        with torch.no_grad():
            values = along(self.q.values(observed, acted).numpy().astype(np.float64), read)
        returns = lambda_returns(signal, values[1:], read.bootstrap, read.alive, self.setup.discount, 1.0)
        return returns[rollout.alive]

    def _draw(self, generator: np.random.Generator) -> Minibatch:
        """M transitions, uniform over all that the buffer holds, with replacement."""
        buffer, setup = self.replay_buffer, self.setup
        steps = setup.steps * setup.batch
        numbers = generator.integers(0, len(buffer.used) * steps, self.settings.minibatch)
        iterations, rows = buffer.used.start + numbers // steps, numbers % steps

        def block(name: str, later: int = 0) -> NDArray[Any]:
            return buffer.rows(name, iterations, rows + later)

        ahead = setup.batch
        alive = block("alive")
        own_choice = block("chosen") if self.own_q is not None else alive

        def observed(later: int = 0) -> torch.Tensor:
            scaled = self.reader.scaled(block("observed", later))
            return tensor(np.concatenate([scaled, block("memory", later)], axis=1) if self.remembered else scaled)

        def context(later: int = 0) -> ReplayedContexts:
            return replayed_contexts(buffer, self.policy, iterations, rows + later, setup.batch, self.settings.unroll)

        return Minibatch(
            context=context(),
            next_context=context(ahead),
            observed=observed(),
            next_observed=observed(ahead),
            acted=tensor(block("acted")),
            next_acted=tensor(block("acted", ahead)),
            signal=tensor(block("signal")),
            bootstrap=tensor(setup.discount * block("bootstrap")),
            weight=tensor(alive / max(alive.mean(), 1.0 / len(alive))),
            own_weight=tensor(own_choice / max(own_choice.mean(), 1.0 / len(own_choice))),
            mask=block("mask") if "mask" in buffer.layout else None,
            next_mask=block("mask", ahead) if "mask" in buffer.layout else None,
            next_hops=block("hops", ahead) if "hops" in buffer.layout else None,
        )

    # -- state that outlives an iteration --------------------------------------------------------------------------------

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What every neural agent has, the target policy, and which batches the buffer holds."""
        return {**super().arrays(), "target_policy": self.target_policy.numpy().copy()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave; the batches themselves come from the disk of their owner."""
        import torch

        super().restore(arrays)
        self.target_policy.copy_(torch.from_numpy(arrays["target_policy"]))
