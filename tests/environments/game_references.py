"""Slow games, one copy and one agent at a time, written from the published rules and sharing no code with the package."""

from __future__ import annotations

import math

NORTH, EAST, SOUTH, WEST = (-1, 0), (0, 1), (1, 0), (0, -1)
COMPASS = [NORTH, EAST, SOUTH, WEST]


def load_balancing_step(loads, actions, noise, edges, settings):
    n, c = len(loads), settings.capacity
    if c + 1 in loads:
        return [0] * n, [0.0] * n
    near = [sorted({b for a, b in edges if a == i} | {a for a, b in edges if b == i}) for i in range(n)]
    after, rewards = list(loads), [settings.alive] * n
    for i, action in enumerate(actions):
        sends, executes = action >= 2, action % 2 == 1
        if sends and executes and loads[i] < 2:
            executes = False  # the execution is dropped first
        if (sends or executes) and loads[i] < 1:
            sends = executes = False
        if sends:
            after[i] -= 1
            after[near[i][action // 2 - 1]] += 1
            rewards[i] -= settings.offload_costs[i % len(settings.offload_costs)]
        if executes:
            after[i] -= 1
            rewards[i] -= settings.execute_costs[i % len(settings.execute_costs)]
    for i in range(n):
        after[i] += noise[i] < settings.arrival
        if after[i] > c:
            after[i] = c + 1
            rewards[i] -= settings.penalty
    return after, rewards


def predator_prey_step(cells, actions, noise, n, settings):
    side = settings.side
    moves = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)]

    def moved(cell, action):
        return tuple(min(max(x + dx, 0), side - 1) for x, dx in zip(cell, moves[action], strict=True))

    predators = [moved(cell, action) for cell, action in zip(cells[:n], actions, strict=True)]
    rewards, prey_after = [0.0] * n, []
    for prey, (place, walks, which) in zip(cells[n:], noise, strict=True):
        standing = [i for i in range(n) if predators[i] == tuple(prey)]
        near = [i for i in range(n) if max(abs(a - b) for a, b in zip(predators[i], prey, strict=True)) <= settings.reach]
        if standing and len(near) >= settings.hunters:
            for i in standing:
                rewards[i] += 1.0 / len(standing)
            number = math.floor(place * side * side)
            prey_after.append((number // side, number % side))
        else:
            prey_after.append(moved(prey, math.floor(which * 5)) if walks < settings.prey_motion else tuple(prey))
    return [list(cell) for cell in predators + prey_after], rewards


class MatrixGridReference:
    """One copy of the game, as objects: players with a place or None, resources by place."""

    def __init__(self, text, payoffs, settings):
        self.lines = text.strip("\n").split("\n")
        self.payoffs, self.settings = payoffs, settings
        self.starts = [(r, c) for r, line in enumerate(self.lines) for c, x in enumerate(line) if x == "n"]
        self.resources = [(r, c) for r, line in enumerate(self.lines) for c, x in enumerate(line) if x in "12a"]

    def wall(self, place):
        return self.lines[place[0]][place[1]] == "W"

    def step(self, players, resources, actions, noise):
        """Players: dicts of place, heading, held, cooling, frozen, away, partner.  Resources: dicts of class, gone, hits.

        Returns:
            Rewards; players and resources are changed.
        """
        n = len(players)
        movers, shooters = noise[:n], noise[n : 2 * n]
        free = [p["frozen"] == 0 and p["away"] == 0 for p in players]
        all_away = all(player["away"] > 0 for player in players)
        returning = [
            resource["gone"] > 0
            and (
                all_away
                or (
                    resource["gone"] >= self.settings.regeneration_delay + 2
                    and luck < self.settings.regeneration
                    and all(player["place"] != place for player in players)
                )
            )
            for place, resource, luck in zip(self.resources, resources, noise[4 * n : -1], strict=True)
        ]
        for i in sorted(range(n), key=lambda i: movers[i]):
            if free[i]:
                self._move(players, resources, i, actions[i])
        met = set()
        for i in sorted(range(n), key=lambda i: shooters[i]):
            player = players[i]
            if not free[i]:
                continue
            if player["cooling"] > 0:
                player["cooling"] -= 1
            elif actions[i] == 7:
                player["cooling"] = 2
                self._beam(players, resources, i, met)
        for i, player in enumerate(players):
            if player["away"] > 0:
                player["away"] -= 1
                if player["away"] == 0:
                    vacant = [start for start in self.starts if all(other["place"] != start for other in players)]
                    player["place"] = vacant[math.floor(noise[2 * n + i] * len(vacant))]
                    player["heading"] = math.floor(noise[3 * n + i] * 4)
        for place, resource, returns in zip(self.resources, resources, returning, strict=True):
            if returns:
                resource["gone"] = 0
                for player in players:
                    if player["place"] == place:
                        resource["gone"] = 2
                        player["held"][resource["class"]] += 1
            elif resource["gone"] > 0:
                resource["gone"] = min(resource["gone"] + 1, self.settings.regeneration_delay + 2)
        return self._settle(players)

    def _move(self, players, resources, i, action):
        player = players[i]
        if action in (5, 6):
            player["heading"] = (player["heading"] + (1 if action == 6 else -1)) % 4
        course = {1: 0, 2: 2, 3: 3, 4: 1}.get(action)
        if course is None:
            return
        step = COMPASS[(player["heading"] + course) % 4]
        target = (player["place"][0] + step[0], player["place"][1] + step[1])
        if self.wall(target) or any(other["place"] == target for other in players):
            return
        player["place"] = target
        if target in self.resources:
            resource = resources[self.resources.index(target)]
            if resource["gone"] == 0:
                resource["gone"] = 1
                player["held"][resource["class"]] += 1

    def _beam(self, players, resources, i, met):
        (row, column), heading = players[i]["place"], players[i]["heading"]
        ahead, right = COMPASS[heading], COMPASS[(heading + 1) % 4]
        for side, first in ((-1, 0), (1, 0), (0, 1)):
            for k in range(first, first + 3):
                place = (row + side * right[0] + k * ahead[0], column + side * right[1] + k * ahead[1])
                if self.wall(place):
                    break
                stopped = False
                # What was taken or broken in this very step can still be hit.
                if place in self.resources:
                    resource = resources[self.resources.index(place)]
                    if resource["gone"] < 2:
                        resource["hits"] += 1
                        stopped = resource["hits"] < 3
                        if not stopped:
                            resource["hits"], resource["gone"] = 0, 1
                hit = [j for j in range(len(players)) if players[j]["place"] == place]
                if hit:
                    self._meet(players, i, hit[0], met)
                if hit or stopped:
                    break

    def _meet(self, players, i, j, met):
        if i in met or j in met:
            return
        met |= {i, j}
        if players[j]["frozen"] or players[i]["frozen"]:
            return
        if sum(players[i]["held"]) > 2 and sum(players[j]["held"]) > 2:
            for one, other in ((i, j), (j, i)):
                players[one]["frozen"] = self.settings.freeze + 2
                players[one]["partner"] = other

    def _settle(self, players):
        due = [player["frozen"] == 1 for player in players]
        shares = [[x / sum(player["held"]) for x in player["held"]] for player in players]
        rewards = [0.0] * len(players)
        for i, player in enumerate(players):
            player["frozen"] = max(0, player["frozen"] - 1)
            if due[i]:
                own_share, partner_share = shares[i], shares[player["partner"]]
                rewards[i] = sum(own_share[a] * self.payoffs[a][b] * partner_share[b] for a in range(2) for b in range(2))
                player.update(held=[1, 1], place=None, away=self.settings.respawn + 1)
        return rewards
