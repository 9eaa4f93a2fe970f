"""Matrix games on a grid: collect resources of two classes, then interact by beam ("in the matrix" of Melting Pot)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.finite_mdp import joint_actions
from netagents.environments.games.matrix_grid_maps import MAPS, read_map
from netagents.environments.games.matrix_grid_sight import DIRECTIONS, SIZE, Sight
from netagents.environments.networked_mdp import (
    BoolArray,
    Capabilities,
    EnvironmentSpec,
    FloatArray,
    IntArray,
    JointState,
    NetworkedMDP,
    Transition,
)
from netagents.environments.picture import Marker, Picture, Tile, agent_colour
from netagents.environments.spaces import Box, Discrete
from netagents.errors import EnvironmentMismatchError
from netagents.experiment.games import ChickenRules, MatrixGridSettings, PrisonersDilemmaRules, PureCoordinationRules, StagHuntRules
from netagents.topology import Topology

NO_OP, FORWARD, BACKWARD, STEP_LEFT, STEP_RIGHT, TURN_LEFT, TURN_RIGHT, INTERACT = range(8)

TURNS = np.array([0, 0, 0, 0, 0, -1, 1, 0])
COURSES = np.array([-1, 0, 2, 3, 1, -1, -1, -1])
"""Direction of each action's move relative to the heading; -1 for none."""

COOL_DOWN, BEAM = 2, 3
HEALTH = 3
"""Beams that destroy a resource."""

NOWHERE = 0
"""Cell of players who are away: a corner of the wall."""

FOR_GOOD = 1 << 40
"""Steps that a player is away who does not come back."""

FIRST_END, END_EVERY, END_CHANCE, LAST_END = 1_000, 100, 0.1, {"stag_hunt": 2_500}

PAYOFFS = {rules().kind: rules().payoffs for rules in (ChickenRules, StagHuntRules, PrisonersDilemmaRules, PureCoordinationRules)}

CELL, HEADING, INVENTORY, COOLING, FROZEN, AWAY, PARTNER = 0, 1, 2, 4, 5, 6, 7
FIELDS = 8
"""Columns of a player in the joint state."""


class MatrixGrid(NetworkedMDP):
    """The two-player substrates ``*_in_the_matrix__repeated`` of Melting Pot 2 (arXiv 2211.13746) on the maps of the Level-of-Influence
    paper (arXiv 2310.07218), for two or more players.

    Actions: no-op, four moves relative to the heading, two turns, interact.  A step goes as in the engine:

    1. players move or turn, in a random order; walls and players stop a move; who enters a resource's cell takes it;
    2. beams, in a random order: two lines of 3 cells beside the player and one of 3 ahead.  Walls, players and resources stop a line, also
       a resource that was taken or destroyed in this very step; the third hit destroys a resource and goes on.  A player hit and its
       hitter interact if both have collected something; nobody interacts twice in a step or while frozen.  A beam needs two steps to
       cool down;
    3. players who were away for ``respawn`` steps come back on a random free start, looking anywhere;
    4. a resource that was away for ``regeneration_delay`` steps comes back with probability ``regeneration``, unless somebody stood there
       when the step began; who has come to stand there since takes it at once.  All come back while all players are away;
    5. when ``freeze`` steps lie between an interaction and this one, both are paid, p_i' A p_j with p the shares of the classes in each
       inventory, inventories go back to (1, 1), and both are away.

    The joint state is ``(B, 8 n + 3 R + 1)`` int64: fields of the players, then for R resources their class, how long they have been
    away (0: there) and hits, then the step.  What players observe: :mod:`netagents.environments.games.matrix_grid_sight`; the engine's
    players see pictures of the same cells.

    Args:
        topology: n >= 2 players; who may talk.  The game itself needs no links.
        settings: game, map and times.

    Raises:
        EnvironmentMismatchError: a single player, or a map that does not fit.
    """

    def __init__(self, topology: Topology, settings: MatrixGridSettings | None = None) -> None:
        settings = settings or MatrixGridSettings()
        n = topology.n
        if n < 2:
            raise EnvironmentMismatchError("environment 'matrix_grid' needs somebody to play with", where="topology", fix="use n >= 2")
        self.topology = topology
        self.settings = settings
        own = settings.layout is not None
        self.grid = read_map(settings.layout or MAPS[settings.map], n, "environment.layout" if own else f"map '{settings.map}'")
        self.payoffs = np.array(settings.payoffs or PAYOFFS[settings.game])
        self._sight = Sight(self.grid, n)
        self._steps = DIRECTIONS @ np.array([self.grid.columns, 1])
        self._resource_at = np.full(len(self.grid.walls), len(self.grid.resources), dtype=np.int64)
        self._resource_at[self.grid.resources] = np.arange(len(self.grid.resources))
        ahead, left = self._steps, np.roll(self._steps, 1)
        reach = np.arange(BEAM)
        lines = [side[:, None] + reach * ahead[:, None] for side in (left, -left)] + [(1 + reach) * ahead[:, None]]
        self._beams = np.stack(lines, axis=1)  # (heading, line, cell)
        self._last = LAST_END.get(settings.game, 5_000)
        all_agents = (tuple(range(n)),) * n
        resources = len(self.grid.resources)
        self.spec = EnvironmentSpec(
            name="matrix_grid",
            state_spaces=(Box((SIZE,), -1.0, 1.0),) * n,
            action_spaces=(Discrete(8),) * n,
            horizon=settings.horizon,
            discount=settings.gamma,
            reset_noise=(len(self.grid.starts) + n + resources,),
            step_noise=(4 * n + resources + 1,),
            reach_offset=0,
            state_scopes=all_agents,
            action_scopes=all_agents,
            capabilities=Capabilities(),
        )

    def reset(self, noise: FloatArray) -> JointState:
        """Players on different random starts, looking anywhere; resources all there."""
        n, starts, resources = self.spec.n, len(self.grid.starts), len(self.grid.resources)
        state = np.zeros((len(noise), FIELDS * n + 3 * resources + 1), dtype=np.int64)
        players = self._players(state)
        players[:, CELL] = self.grid.starts[np.argsort(noise[:, :starts], axis=1)[:, :n]]
        players[:, HEADING] = noise[:, starts : starts + n] * 4
        players[:, INVENTORY : INVENTORY + 2] = 1
        drawn = noise[:, starts + n :] < 0.5
        self._resources(state)[:, 0] = np.where(self.grid.classes < 0, drawn, self.grid.classes)
        return state

    def step(self, state: JointState, actions: Sequence[NDArray[Any]], noise: FloatArray) -> Transition:
        """One step; the noise orders moves and beams, draws starts and headings, resources that come back, and the end."""
        n = self.spec.n
        after = state.copy()
        players, resources = self._players(after), self._resources(after)
        acts = joint_actions(actions)
        free = (players[:, FROZEN] == 0) & (players[:, AWAY] == 0)
        back = self._back(players, resources, noise[:, 4 * n : -1])
        self._move(players, resources, np.where(free, acts, NO_OP), np.argsort(noise[:, :n], axis=1))
        self._zap(players, resources, acts == INTERACT, free, noise[:, n : 2 * n])
        self._come_back(players, noise[:, 2 * n : 3 * n], noise[:, 3 * n : 4 * n])
        resources[:, 1] += resources[:, 1] > 0
        self._bring_back(players, resources, back)
        rewards = self._settle(players)
        after[:, -1] += 1
        never = np.zeros(len(state), dtype=np.bool_)
        return Transition(after, rewards, never, self._ends(after[:, -1], noise[:, -1]) if self.settings.random_end else never)

    def observe(self, state: JointState) -> list[NDArray[Any]]:
        """What each player sees, ``(B, 178)``; zeros while it is away."""
        players, resources = self._players(state), self._resources(state)
        here = players[:, AWAY] == 0
        layers = self._sight.observe(players[:, CELL], players[:, HEADING], here, resources[:, 0], resources[:, 1] == 0)
        observations = []
        for i in range(self.spec.n):
            whole = np.empty((len(state), SIZE))
            whole[:, :-3] = layers[:, i]
            whole[:, -3:-1] = np.minimum(players[:, INVENTORY : INVENTORY + 2, i] / 10.0, 1.0) * here[:, i, None]
            whole[:, -1] = here[:, i] & (players[:, COOLING, i] == 0) & (players[:, FROZEN, i] == 0)
            observations.append(whole)
        return observations

    def without_body(self, state: JointState, agent: int) -> JointState:
        """A player leaves the map with what it holds; who is frozen in an interaction with it is paid as with an inventory of (1, 1)."""
        after = state.copy()
        players = self._players(after)
        players[:, :, agent] = 0
        players[:, CELL, agent], players[:, AWAY, agent] = NOWHERE, FOR_GOOD
        players[:, INVENTORY : INVENTORY + 2, agent] = 1
        return after

    # -- the parts of a step, each of which changes players and resources in place -------------------------------------------

    def picture(self, state: JointState) -> Picture:
        """The map of the first copy: resources 1 and 2, players that look ahead; what they hold stands below, frozen ones pale."""
        columns, fields, resources = self.grid.columns, self._players(state)[0], self._resources(state)[0]
        walls = [Tile(float(cell % columns), float(cell // columns), "#6f675c") for cell in np.flatnonzero(self.grid.walls).tolist()]
        there = [
            Marker(cell % columns + 0.5, cell // columns + 0.5, "#8fc1e3" if kind == 0 else "#e8a0a8", text=str(kind + 1), radius=0.25)
            for cell, kind, absent in zip(self.grid.resources.tolist(), resources[0].tolist(), resources[1].tolist(), strict=True)
            if absent == 0
        ]
        players, held = [], []
        for i in range(self.spec.n):
            first, second = fields[INVENTORY : INVENTORY + 2, i].tolist()
            held.append(f"{i}:{first}/{second}")
            if fields[AWAY, i]:
                continue
            cell, heading = int(fields[CELL, i]), float(np.pi / 2 * (fields[HEADING, i] - 1))
            pale = "#b9b9b9" if fields[FROZEN, i] else agent_colour(i)
            players.append(Marker(cell % columns + 0.5, cell // columns + 0.5, pale, agent=i, heading=heading))
        return Picture(float(columns), float(self.grid.rows), walls, [*there, *players], caption="holds " + " ".join(held))

    def _players(self, state: JointState) -> IntArray:
        """(B, fields, n), a view."""
        n = self.spec.n
        return state[:, : FIELDS * n].reshape(len(state), FIELDS, n)

    def _resources(self, state: JointState) -> IntArray:
        """(B, 3, R), a view: class, steps since it was taken, hits."""
        return state[:, FIELDS * self.spec.n : -1].reshape(len(state), 3, -1)

    def _move(self, players: IntArray, resources: IntArray, acts: IntArray, order: IntArray) -> None:
        cells, headings = players[:, CELL], players[:, HEADING]
        courses = COURSES[acts]
        targets = np.where(courses >= 0, cells + self._steps[(headings + courses) % 4], cells)
        targets = np.where(self.grid.walls[targets], cells, targets)
        copies = np.arange(len(players))
        for mover in order.T:
            target = targets[copies, mover]
            occupied = (cells == target[:, None]).any(axis=1)  # who stays is in its own way, which changes nothing
            cells[copies, mover] = np.where(occupied, cells[copies, mover], target)
        headings[...] = (headings + TURNS[acts]) % 4
        at = self._resource_at[cells]
        copy, player = np.nonzero(at < resources.shape[2])
        resource = at[copy, player]
        there = resources[copy, 1, resource] == 0
        copy, player, resource = copy[there], player[there], resource[there]
        players[copy, INVENTORY + resources[copy, 0, resource], player] += 1
        resources[copy, 1, resource] = 1

    def _back(self, players: IntArray, resources: IntArray, noise: FloatArray) -> BoolArray:
        """Which resources come back at the end of a step, ``(B, R)``, by what is where when it begins."""
        back = (resources[:, 1] > self.settings.regeneration_delay + 1) & (noise < self.settings.regeneration)
        for i in range(self.spec.n):
            back &= players[:, CELL, i, None] != self.grid.resources
        return back | ((resources[:, 1] > 0) & (players[:, AWAY] > 0).all(axis=1, keepdims=True))

    def _bring_back(self, players: IntArray, resources: IntArray, back: BoolArray) -> None:
        """Put resources back; whoever has come to stand there takes them at once."""
        resources[:, 1] = np.where(back, 0, np.minimum(resources[:, 1], self.settings.regeneration_delay + 2))
        copies, which = np.nonzero(back)
        for i in range(self.spec.n):
            there = players[copies, CELL, i] == self.grid.resources[which]
            copy, resource = copies[there], which[there]
            players[copy, INVENTORY + resources[copy, 0, resource], i] += 1
            resources[copy, 1, resource] = 2

    def _zap(self, players: IntArray, resources: IntArray, zaps: BoolArray, free: BoolArray, noise: FloatArray) -> None:
        cooling = players[:, COOLING]
        fires = zaps & free & (cooling == 0)
        cooling[...] = np.where(fires, COOL_DOWN, cooling - (free & (cooling > 0)))
        if not fires.any():
            return
        hits = np.zeros(fires.shape, dtype=np.bool_)
        for shooter in np.argsort(noise, axis=1).T:
            copies = np.flatnonzero(fires[np.arange(len(fires)), shooter])
            if len(copies):
                self._beam(players, resources, copies, shooter[copies], hits)

    def _beam(self, players: IntArray, resources: IntArray, copies: IntArray, shooter: IntArray, hits: BoolArray) -> None:
        """The beams of one player in each of some copies."""
        rows, count = np.arange(len(copies)), resources.shape[2]
        lines = players[copies, CELL, shooter][:, None, None] + self._beams[players[copies, HEADING, shooter]]
        # Beyond the map there is only wall, which the cells before have met already.
        lines = np.clip(lines, 0, len(self.grid.walls) - 1)
        walls = self.grid.walls[lines]
        standing = np.full(lines.shape, -1)
        for player in range(self.spec.n):
            standing[lines == players[copies, CELL, player][:, None, None]] = player
        standing[walls] = -1
        at = self._resource_at[lines]
        index = np.minimum(at, count - 1)
        resource = (at < count) & (resources[copies[:, None, None], 1, index] <= 1)
        frail = resources[copies[:, None, None], 2, index] == HEALTH - 1
        goes_on = ~(walls | (standing >= 0) | (resource & ~frail))
        goes_on[..., 2] = goes_on[..., 0] & goes_on[..., 1]
        reached = np.concatenate([np.ones_like(walls[..., :1]), goes_on[..., :1], goes_on[..., 2:]], axis=2)
        copy, line, cell = np.nonzero(reached & resource)
        struck = index[copy, line, cell]
        destroyed = frail[copy, line, cell]
        resources[copies[copy], 2, struck] = np.where(destroyed, 0, resources[copies[copy], 2, struck] + 1)
        resources[copies[copy[destroyed]], 1, struck[destroyed]] = 1
        # The first line, left, right, ahead, that hits somebody who has met nobody in this step counts.
        hit = np.where(reached, standing, -1).max(axis=2)  # (K, line)
        counts = (hit >= 0) & ~hits[copies[:, None], hit] & ~hits[copies, shooter][:, None]
        other = hit[rows, np.argmax(counts, axis=1)]
        happens = counts.any(axis=1)
        copies, shooter, other = copies[happens], shooter[happens], other[happens]
        hits[copies, shooter] = hits[copies, other] = True
        collected = players[:, INVENTORY] + players[:, INVENTORY + 1] > 2
        agreed = collected[copies, shooter] & collected[copies, other] & (players[copies, FROZEN, other] == 0)
        agreed &= players[copies, FROZEN, shooter] == 0
        copies, shooter, other = copies[agreed], shooter[agreed], other[agreed]
        for one, two in ((shooter, other), (other, shooter)):
            players[copies, FROZEN, one] = self.settings.freeze + 2
            players[copies, PARTNER, one] = two

    def _come_back(self, players: IntArray, places: FloatArray, looks: FloatArray) -> None:
        away = players[:, AWAY]
        due = away == 1
        away -= away > 0
        if not due.any():
            return
        for i in range(self.spec.n):
            copies = np.flatnonzero(due[:, i])
            if not len(copies):
                continue
            vacant = ~(self.grid.starts[:, None] == players[copies, CELL][:, None, :]).any(axis=2)
            ranks = np.cumsum(vacant, axis=1)
            rank = np.floor(places[copies, i] * ranks[:, -1]).astype(np.int64) + 1
            players[copies, CELL, i] = self.grid.starts[np.argmax(ranks == rank[:, None], axis=1)]
            players[copies, HEADING, i] = np.floor(looks[copies, i] * 4)

    def _settle(self, players: IntArray) -> FloatArray:
        """Pay and remove those whose time of standing still is over: rewards ``(B, n)``."""
        frozen = players[:, FROZEN]
        due = frozen == 1
        frozen -= frozen > 0
        rewards = np.zeros(due.shape)
        copies, shooter = np.nonzero(due)
        if len(copies):
            other = players[copies, PARTNER, shooter]
            own_share, other_share = (players[copies, INVENTORY : INVENTORY + 2, index] for index in (shooter, other))
            own_share, other_share = (held / held.sum(axis=1, keepdims=True) for held in (own_share, other_share))
            rewards[copies, shooter] = (own_share[:, :, None] * self.payoffs * other_share[:, None, :]).sum(axis=(1, 2))
            players[copies, INVENTORY : INVENTORY + 2, shooter] = 1
            players[copies, CELL, shooter] = NOWHERE
            players[copies, AWAY, shooter] = self.settings.respawn + 1
        return rewards

    def _ends(self, step: IntArray, noise: FloatArray) -> BoolArray:
        drawn = (step >= FIRST_END) & (step % END_EVERY == 0) & (noise < END_CHANCE)
        ends: BoolArray = drawn | (step >= self._last)
        return ends
