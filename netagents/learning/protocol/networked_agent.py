"""The networked agent: what every agent does whatever it learns with (sample, share, fold, report), without input or output.

One call of :meth:`NetworkedAgent.iterate` is one iteration of an algorithm, read from top to bottom.  It yields
:class:`ExchangeRequest` values (what to send, what to wait for) and is resumed with the messages it asked for; see
:mod:`netagents.learning.protocol.requests`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from operator import attrgetter
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from netagents.environments.spaces import space_dtype, space_shape
from netagents.learning.protocol.agent_checkpoint import below, checkpoint_due
from netagents.learning.protocol.agent_metrics import metric_vector
from netagents.learning.protocol.algorithm_facts import AlgorithmFacts
from netagents.learning.protocol.branch_answers import BranchAnswers
from netagents.learning.protocol.contact_filter import ContactFilter
from netagents.learning.protocol.information_age import Ages, is_aged
from netagents.learning.protocol.message_ledger import Ledger
from netagents.learning.protocol.played_episodes import action_noise
from netagents.learning.protocol.replaced_actions import Interventions, WorstActionExchange
from netagents.learning.protocol.replay_buffer import ReplayBuffer
from netagents.learning.protocol.requests import ROLLOUT_DONE, Answer, ExchangeRequest, Outgoing, RolloutRequest, Turns
from netagents.learning.protocol.rollout import Rollout
from netagents.learning.protocol.setup import Setup
from netagents.learning.protocol.wire_precision import rounded, widened
from netagents.messages import ENVIRONMENT, Action, Kind, Message, Report, Reward, Snapshot, State, Step
from netagents.messages.message_kinds import RadiusKind
from netagents.policies import Policy, TabularPolicy

_values = attrgetter("values")
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
NO_POWER: FloatArray = np.zeros((0, 6))
"""The rows of an agent that reads no power."""


class NetworkedAgent(ABC):
    """One agent of the network.

    An algorithm of your own is a subclass: it states its :attr:`facts`, writes :meth:`iterate` out of :meth:`sample`, :meth:`share`,
    :meth:`fold` and :meth:`report`, and adds to :meth:`arrays` and :meth:`restore` what it keeps beside its policy.

    Args:
        index: i.
        setup: what all agents share.
        policy: what it acts with; default: the policy that the experiment describes.
    """

    facts: ClassVar[AlgorithmFacts] = AlgorithmFacts()
    """What the algorithm states about itself."""

    def __init__(self, index: int, setup: Setup, policy: Policy | None = None) -> None:
        self.index = index
        self.setup = setup
        self.learning = setup.agents[index].learning
        self.policy = setup.policy(index) if policy is None else policy
        self.critic_window = setup.reach[RadiusKind.CRITIC].window(index)
        self.gradient_window = setup.reach[RadiusKind.GRADIENT].window(index)
        self.ledger = Ledger(lambda receiver: 0 if receiver < 0 else setup.topology.hops.distance(index, receiver))
        self.nearby = ContactFilter(setup, index) if setup.spec.capabilities.moving else None
        self.substitute: Policy | None = None
        """Who chooses the agent's actions in the place of its policy, which then learns nothing from them; None in general."""
        self.replay_buffer: ReplayBuffer | None = None
        """Batches of earlier iterations, of an algorithm that is not on-policy: what a resumed run needs and no message carries."""
        self.interventions: Interventions | None = None
        """What may replace single actions; None where the experiment has nothing that concerns the agent."""
        self._branches = None if setup.branch_plan is None else BranchAnswers(setup, index, setup.branch_plan, self.nearby)
        self._pending: list[Outgoing] = []

    @abstractmethod
    def iterate(self, iteration: int) -> Turns:
        """One iteration of the algorithm."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every component that the next iteration depends on, by name; those of the policy and of the ledger to begin with.

        Names that begin with ``critic.`` or ``ledger.`` may change their shape, all others keep it.
        """
        return {
            f"policy.{self.policy.component}": getattr(self.policy, self.policy.component),
            **{f"policy.{name}": array for name, array in self.policy.statistics().items()},
            # The report that rides with the next iteration is counted there already.
            "ledger.open": self.ledger.open_rows(),
            **({} if self.replay_buffer is None else {f"replay.{name}": array for name, array in self.replay_buffer.arrays().items()}),
            **({} if self.interventions is None else self.interventions.arrays()),
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave."""
        self.policy.load(arrays[f"policy.{self.policy.component}"])
        self.policy.restore_statistics(below("policy.", arrays))
        self.ledger.restore(arrays["ledger.open"])
        if self.replay_buffer is not None:
            self.replay_buffer.restore(below("replay.", arrays))
        if self.interventions is not None:
            self.interventions.restore(arrays)

    def farewell(self, iteration: int) -> list[Outgoing]:
        """What is left to send after the last iteration: its report, and a snapshot of the agent."""
        self._send_state(iteration)
        messages, self._pending = self._pending, []
        return messages

    def queue(self, outgoing: Sequence[Outgoing]) -> None:
        """Add messages to those that the next request sends."""
        self._pending.extend(outgoing)

    def take_queue(self) -> list[Outgoing]:
        """The messages that the next request would have sent; they are somebody else's to send now."""
        queued, self._pending = self._pending, []
        return queued

    # -- phases that all algorithms share --------------------------------------------------------------------------------

    def sample(self, iteration: int) -> Generator[ExchangeRequest, Any, Rollout]:
        """Roll out B copies for all steps of an iteration; the decision after the last one is drawn and traced, but not executed.

        Use it as ``rollout = yield from self.sample(iteration)``, once and first.
        """
        setup, index = self.setup, self.index
        steps, copies = setup.steps, setup.batch
        policy, nearby = self.substitute or self.policy, self.nearby
        replacing = None if self.interventions is None else self.interventions.begin(iteration)
        replaced = None if replacing is None else replacing.advice
        rollout = setup.rollout(index, policy, steps)
        rollout.noise = noise = action_noise(setup, index, policy, iteration)
        observe, add_context, decided, travels = rollout.observe, rollout.add_context, rollout.decided, rollout.actions.dtype
        out_neighbours, in_neighbours = setup.out_neighbours(Kind.STATE, index), setup.in_neighbours(Kind.STATE, index)
        window = policy.window
        place = window.index(index)
        ages = Ages(setup, index, window) if in_neighbours and is_aged(setup) else None
        to_server = (ENVIRONMENT,)
        decide_next = policy.along_episode(copies)

        def decide(step: int, states: Sequence[Any], mask: BoolArray | None = None, near: BoolArray | None = None) -> NDArray[Any]:
            context, actions = decide_next(states, noise[step], mask, near)
            add_context(context)
            if actions.dtype is not travels:
                actions = actions.astype(travels)
            if replacing is not None:
                actions = replacing.play(step, actions, states, mask, near)
            decided(actions)
            return actions

        request: RolloutRequest | None = None
        if nearby is None and ages is None and rollout.mask is None and replaced is None:
            samples = State(rollout.states[0]), Action(rollout.actions[0])
            on_bytes = self._on_bytes(policy, rollout, decide, at_once=replacing is None)
            request = RolloutRequest(iteration, steps, out_neighbours, in_neighbours, place, *samples, observe, on_bytes)
        outgoing, self._pending = self._pending, []
        # A lockstep step costs an agent one wake-up, or two with in-neighbours.
        for step in range(steps + 1):
            answer: Answer = yield ExchangeRequest(outgoing, Kind.STEP, iteration, step, to_server, request)
            request = None
            if answer is ROLLOUT_DONE:
                outgoing = []
                break
            observed: Step = answer[0]
            observe(observed)
            own = State(observed.observation)
            if nearby is None or observed.hops is None:
                outgoing = [Outgoing(Kind.STATE, iteration, step, own, out_neighbours)] if out_neighbours else []
            else:
                outgoing = nearby.addressed(Kind.STATE, iteration, step, own, out_neighbours, observed.hops)
            messages: list[State] = []
            if in_neighbours:
                messages = yield ExchangeRequest(
                    outgoing, Kind.STATE, iteration, step, in_neighbours if ages is None else ages.awaited(step)
                )
                outgoing = []
            near = None
            if ages is None:
                # The window: the in-neighbours and the agent itself.
                states = list(map(_values, messages))
                states.insert(place, observed.observation)
                if nearby is not None and observed.hops is not None and in_neighbours:
                    near = nearby.marks(Kind.STATE, window, observed.hops)
            else:
                states = ages.members(step, observed.observation, messages)
            if replaced is not None:
                outgoing = yield from self._exchange_advice(iteration, step, states, replaced, outgoing)
            # Steps whose action was replaced have an empty mask where there is none.
            actions = decide(step, states, None if rollout.mask is None else observed.mask, near)
            if step < steps:
                outgoing.append(Outgoing(Kind.ACTION, iteration, step, Action(actions), to_server))
        self._pending = outgoing
        if out_neighbours:
            self.ledger.count(Outgoing(Kind.STATE, iteration, 0, State(rollout.states[0]), out_neighbours), times=steps + 1)
        self.ledger.count(Outgoing(Kind.ACTION, iteration, 0, Action(rollout.actions[0]), to_server), times=steps)
        rollout.close()
        if self._branches is not None and self._branches.due(iteration):
            yield from self._branches.answer(iteration, self.policy, rollout, self.take_queue(), self.ledger)
        if self.substitute is not None:
            rollout.chosen = np.zeros_like(rollout.alive)
        elif replacing is not None:
            rollout.replaced(replacing)
        return rollout

    def _exchange_advice(
        self, iteration: int, step: int, states: Sequence[NDArray[Any]], advice: WorstActionExchange, outgoing: list[Outgoing]
    ) -> Generator[ExchangeRequest, list[Any], list[Outgoing]]:
        """Tell co-players their worst actions at a step, and hear what others have told; what is still to be sent."""
        for receiver, message in advice.advise(step, states):
            outgoing.append(Outgoing(Kind.WORST_ACTION, iteration, step, message, (receiver,)))
            self.ledger.count(outgoing[-1])
        advisers = advice.advisers(step)
        if advisers:
            advice.take(step, (yield ExchangeRequest(outgoing, Kind.WORST_ACTION, iteration, step, advisers)))
            return []
        return outgoing

    def _on_bytes(
        self, policy: Policy, rollout: Rollout, decide: Callable[[int, Sequence[NDArray[Any]]], NDArray[Any]], *, at_once: bool
    ) -> Callable[[int, Sequence[bytes]], bytes]:
        """``decide`` from and to the bytes in which the states of the window and the actions travel.

        Where nothing can replace an action, a policy that reads bytes decides ``at_once``.
        """
        noise, add_context, decided = rollout.noise, rollout.add_context, rollout.decided
        spaces = [self.setup.spec.observation_spaces[j] for j in policy.window]
        forms = [(space_dtype(space), (self.setup.batch, *space_shape(space))) for space in spaces]

        def decide_on_arrays(step: int, states: Sequence[bytes]) -> bytes:
            arrays = [np.frombuffer(each, dtype).reshape(shape) for each, (dtype, shape) in zip(states, forms, strict=True)]
            return decide(step, arrays).tobytes()

        if not at_once or not isinstance(policy, TabularPolicy) or not policy.reads_bytes:
            return decide_on_arrays
        decide_on_bytes = policy.decide_on_bytes

        def decide_at_once(step: int, states: Sequence[bytes]) -> bytes:
            context, actions = decide_on_bytes(states, noise[step])
            add_context(context)
            decided(actions)
            return actions

        return decide_at_once

    def share(
        self, iteration: int, kind: Kind, message: Message, ordinal: int = 0, hops: NDArray[np.uint8] | None = None
    ) -> Generator[ExchangeRequest, list[Any], dict[int, Any]]:
        """Send one message to the out-neighbours and wait for the same kind and ordinal from all in-neighbours.

        Use it as ``messages = yield from self.share(iteration, kind, message)``; every agent shares the same kinds in the order of
        their phases, also where nobody is within the radius.

        Args:
            iteration: of the message.
            kind: one of those that the algorithm's :attr:`facts` name.
            message: arrays of the shapes that the kind's row gives.
            ordinal: of several messages of one kind in one iteration.
            hops: see below.

        Returns:
            By sender, of everyone within the radius of the kind but the agent itself.

        Kinds that are rounded travel in the run's ``learning.wire_precision``, and arrive as float64.

        In a graph that moves, ``hops`` (T, B, m) of the message's own steps blank it where its receiver was not near.
        """
        out_neighbours, in_neighbours = self.setup.out_neighbours(kind, self.index), self.setup.in_neighbours(kind, self.index)
        message = rounded(message, kind, self.setup.wire_dtype, self.index)
        if out_neighbours and self.nearby is not None and hops is not None:
            for outgoing in self.nearby.addressed(kind, iteration, ordinal, message, out_neighbours, hops):
                self._emit(*outgoing)
        elif out_neighbours:
            self._emit(kind, iteration, ordinal, message, out_neighbours)
        if not out_neighbours and not in_neighbours:
            return {}
        # Also without in-neighbours: others wait for what was just emitted.
        messages = yield self._turn(kind, iteration, ordinal, in_neighbours)
        return {j: widened(received, kind) for j, received in zip(in_neighbours, messages, strict=True)}

    def paid(
        self, iteration: int, rollout: Rollout, hops: NDArray[np.uint8] | None = None
    ) -> Generator[ExchangeRequest, list[Any], FloatArray]:
        """(T, B) what the agent is paid along its steps: its task rewards, or sum of c_ij r_j where it has an incentive of its own.

        Use it as ``paid = yield from self.paid(iteration, rollout)``, after traces: rewards of others travel as messages.
        """
        if not self.setup.pay:
            return rollout.rewards
        own = rollout.rewards * rollout.alive
        rewards: dict[int, Reward] = yield from self.share(iteration, Kind.REWARD, Reward(own), hops=hops)
        pay = self.setup.pay.get(self.index)
        if pay is None or iteration < pay.start:
            return own
        total = np.zeros_like(own)
        for j in sorted(pay.coefficients):
            if j == self.index or j in rewards:
                total += pay.coefficients[j] * (own if j == self.index else rewards[j].rewards)
        return total

    def fold(self, own: FloatArray, shared: Mapping[int, FloatArray]) -> FloatArray:
        """The sum over N_i^kappa_gradient of what is known along the batch, own included, in agent order."""
        total = np.zeros_like(own)
        for j in self.gradient_window:
            total += own if j == self.index else shared[j]
        return total

    def report(
        self, iteration: int, rollout: Rollout, numbers: Mapping[str, float], power: FloatArray = NO_POWER, utility: float = 0.0
    ) -> None:
        """Queue the report, which rides with the next iteration's first action, and the state where a checkpoint is due; call it last.

        Args:
            iteration: that has ended.
            rollout: of the steps that returns count.
            numbers: the metrics that the algorithm states; NaN is reported for those that are missing.
            power: a row for every other agent of the critic's window, where the algorithm reads power.
            utility: f_i at the sampled occupancy.

        Raises:
            ExperimentError: a metric is reported that no part of the run states.
        """
        setup, copies = self.setup, self.setup.batch
        discounted = float((rollout.discounted(setup.discount) * rollout.rewards).sum() / copies)
        numbers = {
            "return": float((rollout.rewards * rollout.alive).sum() / copies),
            "discounted_return": discounted,
            "utility": utility,
            "objective": self.learning.task_weight * discounted + utility,
            **rollout.intervention_numbers(setup.metric_names),
            **numbers,
        }
        report = Report(metric_vector(setup.metric_names, numbers), power, self.ledger.close(), timing=np.zeros(3))
        self._emit(Kind.REPORT, iteration, 0, report, (ENVIRONMENT,))
        if checkpoint_due(self.setup.experiment, iteration) and iteration + 1 < self.learning.iterations:
            self._send_state(iteration)

    def _send_state(self, iteration: int) -> None:
        # Not entered into the ledger, which counts what learning costs: how often state is kept must not change a record.
        self._pending.append(Outgoing(Kind.SNAPSHOT, iteration, 0, Snapshot(self.arrays()), (ENVIRONMENT,)))

    def _emit(self, kind: Kind, iteration: int, step: int, message: Message, receivers: tuple[int, ...]) -> None:
        outgoing = Outgoing(kind, iteration, step, message, receivers)
        self._pending.append(outgoing)
        self.ledger.count(outgoing)

    def _turn(self, kind: Kind, iteration: int, step: int, senders: tuple[int, ...]) -> ExchangeRequest:
        outgoing, self._pending = self._pending, []
        return ExchangeRequest(outgoing, kind, iteration, step, senders)
