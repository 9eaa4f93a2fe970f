"""Run directories that somebody damaged or forged: every command gives a result or one line, in bounded time and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import record_mutations
from record_mutations import Mutator
from record_scene import FAMILIES, files_of, make_scene

MUTATIONS = 300
USUAL = ("run", "bank", "replayed", "chosen", "budget", "allocation")
"""Families that need no other processes."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_scene(tmp_path_factory.mktemp("scene"), studies=False)


@pytest.fixture(scope="module")
def whole_scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_scene(tmp_path_factory.mktemp("whole"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("family", USUAL)
def test_a_sample_of_mutations(family: str, scene: Path) -> None:
    """Each file is damaged once in each of the ways that once hung or filled memory, and a few commands read it."""
    mutator = Mutator(scene, family)
    mutator.warm()
    with mutator.copy() as (_, _, words):
        count = len(words)
    wrong: list[dict[str, object]] = []
    for number, name in enumerate(files_of(scene, family)):
        for seed in (number, number + 20):
            sample = sorted({(seed * 5 + step * 3) % count for step in range(3)} | {min(4, count - 1)})
            wrong += mutator.mutate(name, seed, sample)
    assert wrong == []


def test_a_command_that_is_skipped_does_not_look_at_the_file(scene: Path) -> None:
    """The trace sees what a command opens: all of them the manifest, only one the recording."""
    mutator = Mutator(scene, "run")
    mutator.warm()
    assert mutator.reads is not None
    with mutator.copy() as (_, _, words):
        readers = {words[at][0] for at, files in enumerate(mutator.reads) if "inbox/agent-0/000000.inbox" in files}
        unaware = {words[at][0] for at, files in enumerate(mutator.reads) if "manifest.json" not in files}
    assert readers == {"replay"}
    assert unaware == set()


@pytest.mark.chaos
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("family", FAMILIES)
def test_300_mutations_of_every_file_through_every_command(family: str, whole_scene: Path) -> None:
    words = [sys.executable, str(record_mutations.__file__), str(whole_scene), family, "all", "0", str(MUTATIONS)]
    result = subprocess.run(words, capture_output=True, text=True, timeout=7000, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    summaries = [line for line in lines if "mutations" in line]
    print(*summaries, sep="\n")
    assert [line for line in lines if "wrong" in line] == []
    assert [summary["file"] for summary in summaries] == files_of(whole_scene, family), result.stderr
