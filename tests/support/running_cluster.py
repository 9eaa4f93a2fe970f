"""Running cluster: a cluster of Slurm or Ray for as long as a fixture lasts, or the reason why tests are skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

import pytest


class Cluster(Protocol):
    """What both kinds have in common."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


AnyCluster = TypeVar("AnyCluster", bound=Cluster)


@contextmanager
def running(build: Callable[[], AnyCluster], obstacle: str | None) -> Iterator[AnyCluster]:
    """A started cluster; where there is an obstacle, nothing is built and the tests are skipped."""
    if obstacle is not None:
        pytest.skip(obstacle)
    cluster = build()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
