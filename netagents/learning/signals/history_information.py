"""The information penalty of MIR2 (arXiv 2310.09833): what an agent's history tells about its action, in nats, as a term of its signal.

With a negative weight -lambda the agent learns from r_t - lambda I_t.  Each agent has its own model q_i(a_i | h_i) of its own history h_i
(what it observed and what neighbours sent it), so that nothing more is sent.  Three modes:

    exact          I_t = log pi(a_t | h_t) - log pbar(a_t),  pbar the mean of the policy over the batch; no model
    as_published   I_t = log q(a_t | h_t) - mean over the batch's actions a of log q(a | h_t)                           (CLUB)
    as_released    the same of one team model, whose label is an action of the window's first agent only, as the authors' code has it

The policies here read the present context alone, so that I(h_t; a_t) = I(x_t; a_t) for the context x_t of the step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.spaces import Discrete
from netagents.errors import ExperimentError
from netagents.learning.protocol.setup import Setup
from netagents.learning.signals.information_inputs import HistoryReader, TeamReader, legal
from netagents.learning.signals.signal_term import FloatArray, SignalBatch, SignalTerm
from netagents.measures.information import (
    ConditionalSettings,
    ConditionalTrainer,
    Received,
    exact_densities,
    exact_gaussian_densities,
    exact_gaussian_values,
    exact_information,
    message_information,
    published_values,
)
from netagents.randomness import Purpose, stream

NAN = float("nan")
MODES = ("exact", "as_published", "as_released")
MESSAGE_SAMPLES, MESSAGE_DRAWS = 512, 4
"""Moments, and corrupted messages for each, from which the metric ``messages`` is estimated."""
RELEASED_EPISODES = 5_000
"""The released code draws q's samples from slot 0 of a replay buffer of this many episodes, which changes when the buffer is full."""


class HistoryInformation(SignalTerm):
    """I_t of one agent.

    Args:
        agent: i. setup: what all agents share.
        mode: ``exact``, ``as_published`` or ``as_released``.
        centre: subtract the batch's mean, which keeps values from drifting; default: all modes but ``as_released``.
        history: steps of the history that q reads, the present one included; actions of the earlier ones as well.
        steps: minibatch steps of q per iteration. rate: of its Adam. minibatch: samples per step. hidden: layers of q.

    Raises:
        ExperimentError: a parameter that cannot be.
    """

    metrics = ("estimate", "lower", "exact", "entropy", "messages", "temperature", "warnings")

    def __init__(
        self,
        agent: int,
        setup: Setup,
        *,
        mode: str = "exact",
        centre: bool | None = None,
        history: int = 1,
        steps: int | None = None,
        rate: float | None = None,
        minibatch: int = 64,
        hidden: Sequence[int] = (64,),
    ) -> None:
        super().__init__(agent, setup)
        released = mode == "as_released"
        steps, rate = steps or (1 if released else 50), rate or (5e-4 if released else 5e-3)
        _check(mode, history=history, steps=steps, rate=rate, minibatch=minibatch, hidden=min(hidden, default=1))
        self.mode, self.centre = mode, not released if centre is None else centre
        terms = setup.agents[agent].signals.values()
        self.settings = next((term for term in terms if term.kind == "information"), None)
        self.reader: HistoryReader | TeamReader | None = None
        self.trainer: ConditionalTrainer | None = None
        self._numbers: dict[str, float] = {}
        if mode != "exact":
            self.reader = TeamReader(agent, setup) if released else HistoryReader(agent, setup, history)
            settings = ConditionalSettings(
                "categorical" if self.reader.is_categorical else "gaussian",
                inputs=self.reader.inputs,
                outputs=self.reader.outputs,
                hidden=tuple(hidden),
                rate=rate,
                steps=steps,
                minibatch=minibatch,
            )
            # Whoever hears the whole team makes the team's model from the same samples and draws, and so the same model.
            owner = min(self.reader.window) if isinstance(self.reader, TeamReader) else agent
            self.trainer = ConditionalTrainer(settings, setup.experiment.seed, owner)
        self._slot: dict[str, NDArray[Any]] = {}
        if isinstance(self.reader, TeamReader):
            outcome = (0,) if self.reader.is_categorical else (0, self.reader.outputs)
            steps = setup.steps
            y = np.zeros((steps, *outcome[1:]), dtype=np.int64 if self.reader.is_categorical else np.float64)
            self._slot = {"x": np.zeros((steps, self.reader.inputs)), "y": y, "alive": np.zeros(steps, dtype=np.bool_)}

    def values(self, batch: SignalBatch) -> FloatArray:
        """(T, B) I_t, zero at steps after the agent's part had ended."""
        alive = batch.rollout.alive
        own = self._own_policy(batch)
        values = np.zeros(batch.shape)
        lower, warnings = NAN, 0.0
        if self.trainer is None:
            if own is None:
                raise ExperimentError(
                    "mode exact needs the probabilities of the agent's own policy, which this algorithm does not show",
                    where="signals, kind information",
                    fix="use mode: as_published",
                )
            sampled = own[0]
        else:
            sampled, lower, warnings = self._by_model(batch)
        values[alive] = sampled - sampled.mean() if self.centre else sampled
        self._numbers = {
            "estimate": float(sampled.mean()),
            "lower": lower,
            "exact": NAN if own is None else float(own[1].mean()),
            "entropy": self._entropy(batch),
            "messages": self._messages(batch),
            "temperature": self._temperature(batch),
            "warnings": warnings,
        }
        return values

    def numbers(self) -> Mapping[str, float]:
        """Metrics of the last batch; NaN for what the mode or the algorithm does not know."""
        return self._numbers

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """The state of q, and in mode ``as_released`` the episode that it is fitted to."""
        return {**({} if self.trainer is None else self.trainer.arrays()), **{f"slot.{name}": each for name, each in self._slot.items()}}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave."""
        if self.trainer is not None:
            self.trainer.restore(arrays)
        self._slot = {name: np.array(arrays[f"slot.{name}"]) for name in self._slot}

    # -- the own policy --------------------------------------------------------------------------------------------------

    def _own_policy(self, batch: SignalBatch) -> tuple[FloatArray, FloatArray] | None:
        """(N,) densities at the actions taken, and their means over actions, along the steps that count."""
        if batch.policy is None:
            return None
        alive, parameters = batch.rollout.alive, legal(batch)
        if isinstance(self.setup.spec.action_spaces[self.agent], Discrete):
            with np.errstate(divide="ignore"):
                logits = np.log(parameters[alive])
            actions = batch.own.actions[:-1][alive].astype(np.int64)
            density, exact = exact_densities(logits, actions), exact_information(logits).per_sample
        else:
            means, deviations = np.split(parameters[alive], 2, axis=1)
            drawn = means + deviations * batch.rollout.noise[:-1][alive].reshape(means.shape)
            density = exact_gaussian_densities(means, np.log(deviations), drawn)
            exact = exact_gaussian_values(means, np.log(deviations))
        # Where somebody else chose the action, nothing is known but the mean.
        return np.where(batch.rollout.chosen[alive], density, exact), exact

    def _entropy(self, batch: SignalBatch) -> float:
        """Mean entropy of the own policy, nats; differential for boxes."""
        if batch.policy is None:
            return NAN
        parameters = legal(batch)[batch.rollout.alive]
        if isinstance(self.setup.spec.action_spaces[self.agent], Discrete):
            return float(-(parameters * np.log(np.where(parameters > 0, parameters, 1.0))).sum(axis=1).mean())
        return float((np.log(parameters[:, parameters.shape[1] // 2 :]) + 0.5 * np.log(2.0 * np.pi * np.e)).sum(axis=1).mean())

    def _messages(self, batch: SignalBatch) -> float:
        """Information of all neighbours' messages together; NaN where there are none, or not all traces are known."""
        policy = batch.policy
        if policy is None or len(policy.window) < 2 or any(j not in batch.traces for j in policy.window):
            return NAN
        generator = stream(self.setup.experiment.seed, self.agent, Purpose.INFORMATION_MESSAGES, batch.iteration)
        moments = np.flatnonzero(batch.rollout.alive.reshape(-1))
        moments = np.sort(generator.choice(moments, min(MESSAGE_SAMPLES, len(moments)), replace=False))
        places = [batch.window.index(j) for j in policy.window]
        states = [batch.traces[j].states[:-1].reshape(-1, *batch.traces[j].states.shape[2:])[moments] for j in policy.window]
        near = None if batch.near is None else batch.near[places, :-1].reshape(len(places), -1)[:, moments]
        mask = batch.rollout.mask
        legal_actions = None if mask is None else mask[:-1].reshape(-1, mask.shape[2])[moments]
        others = [place for place, j in enumerate(policy.window) if j != self.agent]
        try:
            return message_information(policy, Received(states, near, legal_actions), others, generator, MESSAGE_DRAWS).information
        except ValueError:
            return NAN

    def _temperature(self, batch: SignalBatch) -> float:
        """lambda over the spread of the task critic's values between own actions; from about 1 on the task is not worth its information."""
        weight = 0.0 if self.settings is None else abs(self.settings.weight_at(batch.iteration))
        if not weight or not isinstance(self.setup.spec.action_spaces[self.agent], Discrete):
            return NAN
        values, known = batch.critic.alternatives(self.agent), batch.critic.known(self.agent)
        counted = batch.rollout.alive & (known.sum(axis=-1) > 1)
        if not counted.any():
            return NAN
        highest = np.where(known, values, -np.inf)[:, counted].max(axis=-1)
        lowest = np.where(known, values, np.inf)[:, counted].min(axis=-1)
        spread = float((highest - lowest).mean())
        return weight / spread if spread > 0.0 else NAN

    # -- a learned model ---------------------------------------------------------------------------------------------------

    def _by_model(self, batch: SignalBatch) -> tuple[FloatArray, float, float]:
        """(N,) values of q after it was fitted, the held-out likelihood gain, and how many warnings there are."""
        assert self.trainer is not None
        assert self.reader is not None
        x, y = self.reader.read(batch)
        alive = batch.rollout.alive
        if self.mode == "as_released":
            self._refill(batch, x, y)
            report = self.trainer.fit(self._slot["x"][self._slot["alive"]], self._slot["y"][self._slot["alive"]], batch.iteration)
            values = published_values(self.trainer.model(x[alive]), y[alive], log_floor=None)
        else:
            # Samples of one episode resemble each other: the last quarter of the copies is held out.
            held_out = np.zeros(batch.shape, dtype=np.bool_)
            copies = batch.shape[1]
            held_out[:, copies - copies // 4 :] = copies >= 4
            report = self.trainer.fit(x[alive], y[alive], batch.iteration, held_out=held_out[alive])
            values = published_values(self.trainer.model(x[alive]), y[alive])
        if report.interval is None:
            return values, NAN, NAN
        return values, report.interval.lower.value, float(len(report.interval.warnings))

    def _refill(self, batch: SignalBatch, x: FloatArray, y: NDArray[Any]) -> None:
        """Keep the first copy's episode where it would have gone into slot 0 of the buffer."""
        copies = batch.shape[1]
        buffers = [number * copies // RELEASED_EPISODES for number in (batch.iteration - 1, batch.iteration)]
        if batch.iteration == 0 or buffers[0] != buffers[1]:
            self._slot = {"x": x[:, 0].copy(), "y": y[:, 0].copy(), "alive": batch.rollout.alive[:, 0].copy()}


def _check(mode: str, **numbers: float) -> None:
    where = "signals, kind information"
    if mode not in MODES:
        raise ExperimentError(f"there is no mode '{mode}'", where=where, fix=f"use {', '.join(MODES)}")
    for name, value in numbers.items():
        if value <= 0:
            raise ExperimentError(f"{name} is {value:g}", where=where, fix="use a number above 0")
