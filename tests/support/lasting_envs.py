"""ParallelEnvs that outlive, end or slow down the process they are in; named in experiments as lasting_envs:Class."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv


class Plain(ParallelEnv):
    """Two agents for six steps; each is told where it is on an unbounded line, and is paid for going right."""

    metadata: ClassVar = {"name": "plain"}

    def __init__(self, folder="", names=("left", "right")):
        self.folder = Path(folder) if folder else None
        self.possible_agents = list(names)
        self.note("made")

    def note(self, word):
        if self.folder is not None:
            with (self.folder / "notes").open("a") as file:
                file.write(f"{word} {os.getpid()}\n")

    def observation_space(self, _agent):
        return spaces.Box(np.array([-np.inf, 0.0]), np.array([np.inf, 1.0]), dtype=np.float64)

    def action_space(self, _agent):
        return spaces.Discrete(2)

    def views(self):
        return {name: np.array([1e4 * self.place[name], float(self.rng.random())]) for name in self.agents}

    def reset(self, seed=None, options=None):  # noqa: ARG002 - theirs
        self.rng, self.time = np.random.default_rng(seed), 0
        self.agents = list(self.possible_agents)
        self.place = {name: int(self.rng.integers(-3, 4)) for name in self.agents}
        return self.views(), {name: {} for name in self.agents}

    def step(self, actions):
        self.time += 1
        for name, action in actions.items():
            self.place[name] += 1 if action else -1
        observations, live, cut = self.views(), list(self.agents), self.time >= 6
        if cut:
            self.agents = []
        rewards = {name: np.array([float(actions[name])]) for name in live}
        return observations, rewards, dict.fromkeys(live, False), dict.fromkeys(live, cut), {name: {} for name in live}

    def close(self):
        self.note("closed")


class Numbered(Plain):
    """Its agents are called by numbers."""

    def __init__(self, folder=""):
        super().__init__(folder, (7, 3))


class Ending(Plain):
    """Ends the process, in one of several ways and places."""

    def __init__(self, how, when="step", folder=""):
        self.how, self.when = how, when
        super().__init__(folder)
        self.maybe("make")

    def maybe(self, when):
        if when != self.when:
            return
        if self.how == "exit":
            sys.exit(0)
        if self.how == "exit with a word":
            sys.exit("the licence is gone")
        if self.how == "at once":
            try:
                os._exit(0)
            except Exception:
                return
        if self.how == "from C":
            ctypes.CDLL(None)._exit(0)
        if self.how == "raise":
            raise LookupError("no road\nto there")

    def reset(self, seed=None, options=None):
        self.maybe("reset")
        return super().reset(seed, options)

    def step(self, actions):
        if self.time == 2:
            self.maybe("step")
        return super().step(actions)

    def close(self):
        self.maybe("close")
        super().close()


class Simulated(Plain):
    """Has a simulator, a thread and a lock of its own; ``closes`` says whether it gives them back."""

    def __init__(self, folder="", closes=True):
        super().__init__(folder)
        self.closes, self.over = closes, threading.Event()
        self.simulator = subprocess.Popen(["sleep", "300"])
        self.note(f"simulator-{self.simulator.pid}")
        self.thread = threading.Thread(target=self.over.wait)
        self.thread.start()

    def close(self):
        if self.closes:
            self.simulator.kill()
            self.simulator.wait()
            self.over.set()
            self.thread.join()
            super().close()


class Stubborn(Plain):
    """Its close never returns."""

    def close(self):
        while True:
            time.sleep(60)


class Wanderer(Plain):
    """Goes to a folder of its own and prints there, from Python and from C."""

    def __init__(self, folder):
        super().__init__(folder)
        os.chdir(folder)
        self.print("made")

    def print(self, word):
        print(f"chatter: {word}")
        ctypes.CDLL(None).puts(f"chatter from C: {word}".encode())

    def step(self, actions):
        self.print("step")
        assert Path.cwd() == self.folder.resolve()  # where it went, it stays
        return super().step(actions)


class Returning(Plain):
    """An agent ends in step 2 and is back in step 4."""

    def step(self, actions):  # noqa: ARG002 - theirs
        self.time += 1
        if self.time == 4:
            self.agents = list(self.possible_agents)
        live = list(self.agents)
        ended = {name: name == "right" and self.time == 2 for name in live}
        observations = self.views()
        if self.time == 2:
            self.agents = ["left"]
        return observations, dict.fromkeys(live, 1.0), ended, dict.fromkeys(live, False), {name: {} for name in live}


class Legal(Plain):
    """Tells which actions are legal in its infos, from a step on or up to one; action 1 is illegal then."""

    def __init__(self, first=0, last=99, mask=(1, 0)):
        super().__init__()
        self.first, self.last, self.mask, self.illegal = first, last, mask, 0

    def infos(self, names):
        with_masks = self.first <= self.time <= self.last
        return {name: {"action_mask": np.array(self.mask)} if with_masks else {} for name in names}

    def reset(self, seed=None, options=None):
        observations, _ = super().reset(seed, options)
        return observations, self.infos(observations)

    def step(self, actions):
        if self.first <= self.time <= self.last:
            self.illegal += sum(actions.values())
        *observations, _ = super().step(actions)
        return *observations, self.infos(observations[0])


class Cued(Plain):
    """Paid for the action that a cue demands; the cue stands beside other numbers, or is the parity of an index."""

    def __init__(self, sight):
        super().__init__()
        self.sight = sight

    def observation_space(self, _agent):
        largest = float(np.finfo(np.float32).max)
        return {
            "wide": spaces.Box(np.array([0.0, 0.0]), np.array([1.0, 5e5]), dtype=np.float64),
            "huge": spaces.Box(np.array([-largest, 0.0], np.float32), np.array([largest, 900.0], np.float32)),
            "one-sided": spaces.Box(np.array([-np.inf, -1.0]), np.array([1.0, np.inf]), dtype=np.float64),
            "index": spaces.Discrete(90, start=3),
        }[self.sight]

    def views(self):
        self.cue = {name: int(self.rng.integers(2)) for name in self.agents}
        if self.sight == "index":
            return {name: np.int64(3 + 2 * int(self.rng.integers(45)) + cue) for name, cue in self.cue.items()}
        beside = {"wide": 5e5, "huge": 900.0, "one-sided": 1e7}[self.sight]
        return {name: np.array([cue, beside * self.rng.random()]) for name, cue in self.cue.items()}

    def step(self, actions):
        before = dict(self.cue)
        observations, _, *flags, infos = super().step(actions)
        return observations, {name: float(action == before[name]) for name, action in actions.items()}, *flags, infos
