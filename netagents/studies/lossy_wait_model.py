"""Model of the waits over lossy links: how much longer an iteration takes when what is lost is sent again.

Every message arrives after a number of tries that is geometric in the link's loss; the times between tries are those of
:mod:`netagents.wire.links.reliable_delivery`.  The model draws arrivals and lets every node wait for its own in-neighbours, phase by phase,
as lockstep does.  It has no computing and no transport, so it gives what bad links add.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.experiment.link_fault_settings import LinkFault, acts_in
from netagents.learning import Setup
from netagents.learning.lossy_links import links, loss_of, lossy_iterations
from netagents.messages import ENVIRONMENT, NEIGHBOUR_KINDS, Kind, Pace
from netagents.randomness import Purpose, stream
from netagents.wire.links.reliable_delivery import LEAST_TIMEOUT, LONGEST_TIMEOUT

DRAWS = 48
"""Iterations that are drawn."""

_MOST_STEPS = 8
_MOST_TRIES = 400


class LossyWait(NamedTuple):
    """What bad links cost where they lose most.

    Attributes:
        iteration: the first one of those in which they lose most.
        loss: the largest share that a link loses one way.
        answered: the smallest share of transmissions on a link that are acknowledged.
        tries: average number of transmissions until a message is acknowledged.
        step_seconds: what a sampling step waits. iteration_seconds: what an iteration waits.
    """

    iteration: int
    loss: float
    answered: float
    tries: float
    step_seconds: float
    iteration_seconds: float


def predict_lossy_wait(setup: Setup) -> LossyWait | None:
    """What re-sending costs in the iterations in which links lose most; None without losses.

    The estimate is for lockstep.  Other clocks wait for less.
    """
    experiment = setup.experiment
    worst: tuple[float, int] | None = None
    iterations = lossy_iterations(experiment)
    # Without losses nobody needs the links, which take long to list where there are many.
    pairs = list(links(setup)) if iterations else []
    for iteration in iterations:
        total = sum(loss_of(experiment, i, j, iteration) + loss_of(experiment, j, i, iteration) for i, j in pairs)
        worst = max(worst or (0.0, iteration), (total, iteration), key=lambda entry: entry[0])
    if worst is None or worst[0] == 0.0:
        return None
    iteration = worst[1]
    both = np.array([[loss_of(experiment, i, j, iteration), loss_of(experiment, j, i, iteration)] for i, j in pairs])
    answer_probability = np.prod(1.0 - both, axis=1)
    if answer_probability.min() <= 0.0:
        return None
    step, whole = _Iteration(setup, iteration).seconds()
    return LossyWait(iteration, float(both.max()), float(answer_probability.min()), float((1.0 / answer_probability).mean()), step, whole)


class _Edges(NamedTuple):
    """Directed links of one kind of message: arrays of length E."""

    senders: NDArray[np.int64]
    receivers: NDArray[np.int64]
    losses: NDArray[np.float64]


class _Iteration:
    """One iteration in lockstep, ``DRAWS`` times at once; times are arrays (DRAWS, n) of seconds."""

    def __init__(self, setup: Setup, iteration: int) -> None:
        self._setup, self._at = setup, iteration
        self._random = stream(setup.experiment.seed, ENVIRONMENT, Purpose.LINKS, 0)
        self._delay = sum(fault.delay for fault in setup.experiment.faults if isinstance(fault, LinkFault) and acts_in(fault, iteration))
        first = min(LONGEST_TIMEOUT, max(LEAST_TIMEOUT, 2.0 * self._delay))
        timeouts = np.minimum(LONGEST_TIMEOUT, first * 2.0 ** np.minimum(np.arange(_MOST_TRIES), 32))
        self._arrival = np.concatenate([[0.0], np.cumsum(timeouts)])
        """Seconds after the first transmission at which the k-th one is sent."""

    def seconds(self) -> tuple[float, float]:
        """Mean seconds of a sampling step and of an iteration."""
        agents, server = np.arange(self._setup.n), np.full(self._setup.n, ENVIRONMENT)
        down, up = self._edges(server, agents), self._edges(agents, server)
        states = self._neighbours(Kind.STATE)
        steps = min(self._setup.steps, _MOST_STEPS)
        begin = np.zeros(DRAWS)
        for _ in range(steps):
            observed = begin[:, None] + self._arrivals(down)
            acted = self._latest_arrivals(observed, states)
            begin = (acted + self._arrivals(up)).max(axis=1)
        step = float(begin.mean()) / steps
        times = begin[:, None] + self._arrivals(down)
        later = sorted((kind for kind in NEIGHBOUR_KINDS if kind.row.pace is Pace.ITERATION), key=lambda kind: kind.row.phase)
        for kind in later:
            times = self._latest_arrivals(times, self._neighbours(kind))
        end = (times + self._arrivals(up)).max(axis=1)
        return step, float((end - begin).mean()) + step * self._setup.steps

    def _neighbours(self, kind: Kind) -> _Edges:
        pairs = [(j, i) for i in range(self._setup.n) for j in self._setup.in_neighbours(kind, i)]
        array = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        return self._edges(array[:, 0], array[:, 1])

    def _edges(self, senders: NDArray[np.int64], receivers: NDArray[np.int64]) -> _Edges:
        experiment = self._setup.experiment
        losses = [loss_of(experiment, i, j, self._at) for i, j in zip(senders.tolist(), receivers.tolist(), strict=True)]
        return _Edges(senders, receivers, np.array(losses, dtype=np.float64))

    def _arrivals(self, edges: _Edges) -> NDArray[np.float64]:
        """Seconds that one message takes on each link, (DRAWS, E)."""
        tries = self._random.geometric(1.0 - np.broadcast_to(edges.losses, (DRAWS, len(edges.losses))))
        return np.asarray(self._arrival[np.minimum(tries, _MOST_TRIES) - 1] + self._delay, dtype=np.float64)

    def _latest_arrivals(self, times: NDArray[np.float64], edges: _Edges) -> NDArray[np.float64]:
        """When each agent has the messages of all its in-neighbours, who send them at ``times``."""
        latest = times.copy()
        if len(edges.losses):
            arrived = times[:, edges.senders] + self._arrivals(edges)
            np.maximum.at(latest.T, edges.receivers, arrived.T)
        return latest
