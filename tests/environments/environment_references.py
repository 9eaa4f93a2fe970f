"""Slow environments, one copy and one agent at a time, written from the published rules and sharing no code with the package."""

from __future__ import annotations

from netagents.experiment.topology_settings import EdgesSettings
from netagents.topology import Topology, build_topology


def graph(n: int, edges: list[tuple[int, int]] | tuple[tuple[int, int], ...]) -> Topology:
    return build_topology(EdgesSettings(n=n, edges=tuple(edges)))


def line(n: int) -> Topology:
    return graph(n, [(i, i + 1) for i in range(n - 1)])


def cells(rows: int, columns: int, users: int) -> Topology:
    """Users of the same or of touching cells are neighbours, by comparing all pairs."""
    place = [(r, c) for r in range(rows) for c in range(columns) for _ in range(users)]
    pairs = [(i, j) for i in range(len(place)) for j in range(i + 1, len(place))]
    touching = [(i, j) for i, j in pairs if max(abs(place[i][0] - place[j][0]), abs(place[i][1] - place[j][1])) <= 1]
    return graph(len(place), touching)


def line_msg_step(state, actions, noise, coupling):
    n = len(state)
    after = []
    for i in range(n):
        if i == 0:
            after.append(state[1])
        elif i == n - 1:
            after.append(actions[i])
        elif actions[i] == 0:
            after.append(0)
        else:
            after.append(1 if state[i + 1] == 1 or noise[i] < coupling else 0)
    return after, [bit * (1.0 if i == 0 else 0.1) for i, bit in enumerate(after)]


def _wireless_step(queues, sends, noise, chance, arrival):
    """queues: lists of d bits, the first expires next; sends: per user None or (access point, slot or None)."""
    occupied = [send[0] for send in sends if send is not None]
    after, rewards = [], []
    for i, queue in enumerate(queues):
        queue, reward = list(queue), 0.0
        if sends[i] is not None:
            point, slot = sends[i]
            if slot is None:
                slot = queue.index(1) if 1 in queue else 0
            if occupied.count(point) == 1 and queue[slot] == 1 and noise[i][0] < chance[point]:
                queue[slot] = 0
                reward = 1.0
        after.append([*queue[1:], 1 if noise[i][1] < arrival else 0])
        rewards.append(reward)
    return after, rewards


def bits(number, deadline):
    return [(int(number) >> k) & 1 for k in range(deadline)]


def number(queue):
    return sum(bit << k for k, bit in enumerate(queue))


def wireless_spdac_step(state, actions, noise, rows, columns, deadline, success, arrival):
    sends = []
    for i, action in enumerate(actions):
        r, c = i // columns, i % columns
        corner = {1: (r, c), 2: (r, c + 1), 3: (r + 1, c), 4: (r + 1, c + 1)}.get(int(action))
        inside = corner is not None and 1 <= corner[0] <= rows - 1 and 1 <= corner[1] <= columns - 1
        sends.append((corner, None) if inside else None)
    corners = {send[0]: success for send in sends if send is not None}
    after, rewards = _wireless_step([bits(s, deadline) for s in state], sends, noise, corners, arrival)
    return [number(queue) for queue in after], rewards


def wireless_qu_lin_step(state, actions, noise, rows, columns, users, deadline, chances, arrival):
    sends = []
    for i, action in enumerate(actions):
        r, c = divmod(i // users, columns)
        reach = [(y, x) for y in range(rows - 1) for x in range(columns - 1) if r - 1 <= y <= r and c - 1 <= x <= c]
        moves = [None] + [(y * (columns - 1) + x, slot) for slot in range(deadline) for y, x in reach]
        sends.append(moves[int(action)])
    after, rewards = _wireless_step([bits(s, deadline) for s in state], sends, noise, chances, arrival)
    return [number(queue) for queue in after], rewards


def sis_step(state, actions, noise, neighbours, settings):
    after, rewards = [], []
    for i, own in enumerate(state):
        beta = settings.protected_infection if actions[i] else settings.infection
        delta = settings.protected_recovery if actions[i] else settings.recovery
        escape = 1.0
        for j in neighbours[i]:
            if state[j] == 1:
                escape *= 1.0 - beta
        if own == 1:
            after.append(0 if noise[i] < delta else 1)
        else:
            after.append(1 if noise[i] < 1.0 - escape else 0)
        rewards.append(-(settings.protection_cost * actions[i] + settings.infection_cost * own))
    return after, rewards
