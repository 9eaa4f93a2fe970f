"""What the tests of nodes share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netagents.wire import Transport, open_transport


@pytest.fixture
def memory() -> Iterator[Transport]:
    transport = open_transport("memory://x")
    yield transport
    transport.close()
