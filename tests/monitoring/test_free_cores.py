"""How many cores are free, from what the kernel counts."""

from __future__ import annotations

import os
import time

import pytest

from netagents.monitoring.page.free_cores import WINDOW_SECONDS, FreeCores

TICK = os.sysconf("SC_CLK_TCK")


class Machine:
    """Two cores, of which the second has other work."""

    def __init__(self) -> None:
        self.busy, self.idle = [0.0, 0.0], [0.0, 0.0]

    def read(self) -> str:
        rows = zip(("cpu", "cpu0", "cpu1"), (sum(self.busy), *self.busy), (sum(self.idle), *self.idle), strict=True)
        lines = [f"{name} {round(busy * TICK)} 0 0 {round(idle * TICK)} 0 0 0 0 0 0" for name, busy, idle in rows]
        return "\n".join([*lines, "intr 5 0 0", "ctxt 7"])

    def passes(self, seconds: float, shares: tuple[float, float]) -> None:
        for core, share in enumerate(shares):
            self.busy[core] += share * seconds
            self.idle[core] += (1.0 - share) * seconds


def test_idle_cores_are_counted_on_average() -> None:
    machine = Machine()
    cores = FreeCores({0, 1}, machine.read)
    machine.passes(0.5, (1.0, 0.5))
    assert cores.count() == pytest.approx(0.5)


def test_only_cores_that_may_be_used_count() -> None:
    machine = Machine()
    cores = FreeCores({1}, machine.read)
    machine.passes(0.5, (0.0, 1.0))
    assert cores.count() == 0.0


def test_nothing_is_free_while_nothing_is_known() -> None:
    machine = Machine()
    cores = FreeCores({0, 1}, machine.read)
    assert cores.count() == 0.0
    machine.passes(0.02, (0.0, 0.0))
    assert cores.count() == 0.0


def test_what_was_longer_ago_is_forgotten() -> None:
    machine = Machine()
    cores = FreeCores({0, 1}, machine.read)
    for _ in range(20):
        machine.passes(0.25, (1.0, 1.0))
        cores.count()
    for _ in range(8):
        machine.passes(0.25, (0.0, 0.0))
        free = cores.count()
    assert free == pytest.approx(2.0)
    machine.passes(WINDOW_SECONDS, (1.0, 1.0))
    assert cores.count() < 1.0


def test_the_kernel_of_this_machine_is_understood() -> None:
    cores = FreeCores()
    time.sleep(0.3)
    assert 0.0 <= cores.count() <= len(os.sched_getaffinity(0)) + 0.5
