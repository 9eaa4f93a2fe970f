"""Freed memory that a process keeps: arrays that come and go are not asked of the kernel again."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

PROGRAM = """
import json, resource
import numpy as np
from netagents.nodes.process.freed_memory import keep_freed_memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        arrays = [np.ones(3 << 17) for _ in range(3)]
        del arrays
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
before, done = faults(), keep_freed_memory()
faults()
print(json.dumps([done, before, faults()]))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the limits are those of glibc")
def test_arrays_that_come_and_go_take_the_same_pages() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=120)
    count, before, after = json.loads(ended.stdout)
    assert count
    assert after < before / 10
