"""For all tests: one thread of arithmetic per process, and no deadline for property tests, since a busy machine is no counterexample."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# Before numpy is imported, and for all processes that tests start: bits are promised for one BLAS thread, and several on a busy machine
# take ten times as long.  `make test` says the same.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

settings.register_profile("netagents", deadline=None, print_blob=True)
settings.load_profile("netagents")

SUPPORT = str(Path(__file__).parent / "support")
if SUPPORT not in sys.path:
    sys.path.insert(0, SUPPORT)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--storm", default="500", help="draws of the kill storm (tests/system/test_kill_storm.py) that `make chaos` takes")
