"""A slow kitchen, one copy and one cook at a time, written from the published rules and sharing no code with the package."""

from __future__ import annotations

NORTH, SOUTH, EAST, WEST = (-1, 0), (1, 0), (0, 1), (0, -1)
COMPASS = [NORTH, SOUTH, EAST, WEST]


class KitchenReference:
    """Cooks are dicts of place, facing and hand; hands and counters hold 'onion', 'tomato', 'dish' or ('soup', onions, tomatoes)."""

    def __init__(self, text, n, *, old, pairwise=False, cook_time=20, value=20.0):
        self.rows = text.split("/") if "/" in text else text.split("\n")
        self.old, self.pairwise, self.cook_time, self.value = old, pairwise, cook_time, value
        self.cooks = []
        for k in range(n):
            (place,) = [(r, line.index(str(k + 1))) for r, line in enumerate(self.rows) if str(k + 1) in line]
            self.cooks.append({"place": place, "facing": NORTH, "hand": None})
        self.counters = {}  # place: item
        self.pots = {}  # place: {"items": [...], "tick": -1}

    def kind(self, place):
        character = self.rows[place[0]][place[1]]
        return " " if character.isdigit() else character

    def step(self, actions):
        """Rewards and shaped points by cook."""
        rewards, points = [0.0] * len(self.cooks), [0] * len(self.cooks)
        needed = sum(1 for pot in self.pots.values() if pot["tick"] >= 0 or 1 <= len(pot["items"]) <= 2)
        for k, (cook, action) in enumerate(zip(self.cooks, actions, strict=True)):
            if action == 5:
                rewards[k], points[k] = self.interact(cook, needed)
        self.move(actions)
        for pot in self.pots.values():
            if self.old and pot["tick"] < 0 and len(pot["items"]) == 3:
                pot["tick"] = 0
            if 0 <= pot["tick"] < self.cook_time:
                pot["tick"] += 1
        return rewards, points

    def interact(self, cook, needed):
        place = tuple(a + b for a, b in zip(cook["place"], cook["facing"], strict=True))
        kind, hand = self.kind(place), cook["hand"]
        if kind == "X":
            if hand is not None and place not in self.counters:
                self.counters[place], cook["hand"] = hand, None
            elif hand is None:
                cook["hand"] = self.counters.pop(place, None)
        elif kind in "OTD" and hand is None:
            cook["hand"] = {"O": "onion", "T": "tomato", "D": "dish"}[kind]
            if kind == "D" and len(self.cooks) == 2 and "dish" not in self.counters.values():
                others = [other["hand"] for other in self.cooks if other is not cook]
                return 0.0, 3 if others.count("dish") < needed else 0
        elif kind == "P":
            pot = self.pots.get(place)
            if hand in ("onion", "tomato"):
                pot = self.pots.setdefault(place, {"items": [], "tick": -1})
                if pot["tick"] < 0 and len(pot["items"]) < 3:
                    pot["items"].append(hand)
                    cook["hand"] = None
                    return 0.0, 3
            elif hand == "dish" and pot is not None and pot["tick"] >= self.cook_time:
                cook["hand"] = ("soup", pot["items"].count("onion"), pot["items"].count("tomato"))
                del self.pots[place]
                return 0.0, 5
            elif hand is None and pot is not None and pot["tick"] < 0 and not self.old:
                pot["tick"] = 0
        elif kind == "S" and isinstance(hand, tuple):
            cook["hand"] = None
            return self.value if hand == ("soup", 3, 0) else 0.0, 0
        return 0.0, 0

    def move(self, actions):
        here, targets = [cook["place"] for cook in self.cooks], []
        for cook, action in zip(self.cooks, actions, strict=True):
            to = cook["place"]
            if action < 4:
                cook["facing"] = COMPASS[action]
                ahead = tuple(a + b for a, b in zip(to, COMPASS[action], strict=True))
                to = ahead if self.kind(ahead) == " " else to
            targets.append(to)

        def clash(i, j):
            return targets[i] == targets[j] or (targets[i] == here[j] and targets[j] == here[i])

        n = len(here)
        while True:
            stuck = {i for i in range(n) for j in range(n) if i != j and clash(i, j) and targets[i] != here[i]}
            if not stuck:
                break
            for i in stuck if self.pairwise else range(n):
                targets[i] = here[i]
        for cook, place in zip(self.cooks, targets, strict=True):
            cook["place"] = place
