"""Worker of one SUMO simulation: reads commands as lines of JSON and answers each with one.

libsumo holds one simulation per process, and so each copy of a traffic environment is such a process.  It ends when its standard input
does, however the server came to its end.  Nothing of netagents is imported here but this file, and libsumo only when a network is opened.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any, TextIO

GO = "Gg"
"""Characters of a signal's state with which vehicles may go."""


class Simulation:
    """One simulation of a network, started anew by each reset.

    Args:
        order: what ``open`` was sent: network, routes, demand (text of an additional file), begin, warm_up, interval, yellow (s), signals
            (SUMO's ids), greens (states of each signal), lanes (all lanes that are watched), entries (of each lane, the road whose
            waiting vehicles count for it, or "").
    """

    def __init__(self, order: dict[str, Any]) -> None:
        os.environ["LIBSUMO_AS_TRACI"] = "quiet"  # no remark on which pyarrow is installed
        import libsumo

        self.sumo: Any = libsumo
        self.order = order
        self.running = False
        self.green: list[int] = []

    def reset(self, seed: int) -> dict[str, Any]:
        """Start again from a seed, and play the warm-up under the network's own programs."""
        order = self.order
        self.close()
        words = ["sumo", "--net-file", order["network"], "--seed", str(seed), "--begin", str(order["begin"]), "--no-step-log", "true"]
        words += ["--no-warnings", "true", "--xml-validation", "never", "--ignore-route-errors", "true", "--duration-log.disable", "true"]
        with tempfile.TemporaryDirectory(prefix="netagents-sumo-") as folder:
            if order["routes"] is not None:
                words += ["--route-files", order["routes"]]
            else:
                demand = Path(folder, "demand.add.xml")
                demand.write_text(order["demand"], encoding="utf-8")
                words += ["--additional-files", str(demand)]
            self.sumo.start(words)
        self.running = True
        self.arrived = self.departed = 0
        for _ in range(order["warm_up"]):
            self._second()
        self.green = [0] * len(order["signals"])
        for name, states in zip(order["signals"], order["greens"], strict=True):
            self.sumo.trafficlight.setRedYellowGreenState(name, states[0])
        return self._report([0.0] * len(order["lanes"]))

    def step(self, phases: list[int]) -> dict[str, Any]:
        """One interval: signals that change show yellow first."""
        order, lights = self.order, self.sumo.trafficlight
        stopped = [0.0] * len(order["lanes"])
        changes = [i for i, (old, new) in enumerate(zip(self.green, phases, strict=True)) if old != new]
        for i in changes:
            old, new = order["greens"][i][self.green[i]], order["greens"][i][phases[i]]
            between = "".join("y" if a in GO and b not in GO else a if a in GO else "r" for a, b in zip(old, new, strict=True))
            lights.setRedYellowGreenState(order["signals"][i], between)
        for second in range(order["interval"]):
            if second == order["yellow"]:
                for i in changes:
                    lights.setRedYellowGreenState(order["signals"][i], order["greens"][i][phases[i]])
            self._second()
            for number, (lane, entry) in enumerate(zip(order["lanes"], order["entries"], strict=True)):
                stopped[number] += self._halting(lane, entry)
        self.green = list(phases)
        return self._report([total / order["interval"] for total in stopped])

    def close(self) -> None:
        """End the simulation, if one runs."""
        if self.running:
            self.sumo.close()
            self.running = False

    def _second(self) -> None:
        self.sumo.simulationStep()
        self.arrived += self.sumo.simulation.getArrivedNumber()
        self.departed += self.sumo.simulation.getDepartedNumber()

    def _halting(self, lane: str, entry: str) -> int:
        waiting: int = self.sumo.lane.getLastStepHaltingNumber(lane)
        return waiting + (len(self.sumo.edge.getPendingVehicles(entry)) if entry else 0)

    def _report(self, stopped: list[float]) -> dict[str, Any]:
        """Per lane: how many vehicles stand now, how many are on it, and how many stood on average since the last report."""
        order = self.order
        return {
            "queues": [self._halting(lane, entry) for lane, entry in zip(order["lanes"], order["entries"], strict=True)],
            "vehicles": [self.sumo.lane.getLastStepVehicleNumber(lane) for lane in order["lanes"]],
            "stopped": stopped,
            "arrived": self.arrived,
            "departed": self.departed,
        }


def answer(order: dict[str, Any], simulation: Simulation | None) -> tuple[dict[str, Any], Simulation | None]:
    """Carry out one command."""
    match order["do"]:
        case "open":
            return {"opened": True}, Simulation(order)
        case "reset" if simulation is not None:
            return simulation.reset(order["seed"]), simulation
        case "step" if simulation is not None:
            return simulation.step(order["greens"]), simulation
    raise ValueError(f"no such command: {order['do']}")


def serve(commands: TextIO, answers: TextIO) -> None:
    """Answer commands until there are no more."""
    simulation: Simulation | None = None
    for line in commands:
        try:
            reply, simulation = answer(json.loads(line), simulation)
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]}
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


def main() -> None:
    """Speak over what was standard output; whatever SUMO prints goes to standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server ends it
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
