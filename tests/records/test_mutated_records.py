"""Run directories that somebody damaged or forged: every command gives a result or one line, in bounded time and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import record_mutations
from record_mutations import commands, mutate
from sample_run import make_sample, record_files

FILES = (
    "manifest.json",
    "experiment.json",
    "topology.json",
    "environment.json",
    "events.jsonl",
    "metrics.jsonl",
    "power.jsonl",
    "ledger.jsonl",
    "logs/agent_1.jsonl",
    "checkpoints/iteration-00000003/manifest.json",
    "checkpoints/iteration-00000003/agent-0.safetensors",
    "inbox/agent-0/000000.inbox",
)
PART = 50
PARTS = 6


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("samples")
    return make_sample(folder / "run"), make_sample(folder / "other", seed=1)


def test_the_list_of_files_is_that_of_a_run(samples: tuple[Path, Path]) -> None:
    assert set(record_files(samples[0])) == set(FILES)


@pytest.mark.timeout(600)
def test_a_sample_of_mutations(samples: tuple[Path, Path]) -> None:
    """Each file is damaged once in each of the ways that once hung or filled memory, and a few commands read it."""
    run, other = samples
    wrong: list[dict[str, object]] = []
    record_mutations.warm(run, other)
    count = len(commands(run, other, run))
    for number, name in enumerate(FILES):
        for seed in (number, number + 20):
            chosen = sorted({(seed * 5 + step * 3) % count for step in range(3)} | {4})
            wrong += mutate(run, other, name, seed, chosen)
    assert wrong == []


@pytest.mark.chaos
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", FILES)
def test_300_mutations_through_every_command(name: str, part: int, samples: tuple[Path, Path]) -> None:
    script = Path(record_mutations.__file__)
    words = [sys.executable, str(script), *map(str, samples), name, str(part * PART), str(PART)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=7000, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False)
    *failures, summary = [json.loads(line) for line in done.stdout.splitlines()]
    print(summary)
    assert failures == []
    assert summary["mutations"] == PART, done.stderr
