"""A small run with every file that a run directory may hold: all rows, events, logs, a checkpoint, an inbox recording."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from experiments import line_msg

import netagents
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning import ExchangeRequest
from netagents.learning.prepared_experiment import prepare
from netagents.messages import LINK_COSTS, Message
from netagents.nodes.agent.inbox_recording import InboxRecorder, inbox_folder

SETTINGS: dict[str, Any] = line_msg(
    3, name="sample", kappa=1, iterations=4, batch=2, horizon=3, checkpoints={"every": 2}, launcher="in_process"
)

EVENTS: tuple[dict[str, Any], ...] = (
    {"event": "gathered", "nodes": 3, "pid": 7},
    {"event": "resumed", "first_iteration": 2, "changes": ["learning.iterations"]},
    {"event": "restarted", "agent": 1, "iteration": 2, "incarnation": 3},
    {"event": "lost", "agent": 2, "iteration": 3, "stand_in": "last_action", "line": "agent 2: killed"},
    {"event": "links", "columns": list(LINK_COSTS), "rows": [[0, 1, 9, 10, 1, 0, 1, 0, 0, 900, 90, 90, 0]]},
    {
        "event": "traffic",
        "sent": {"step": [4, 100]},
        "received": {"action": [4, 100]},
        "wait_seconds": 0.5,
        "sample_seconds": 0.25,
        "digests_dropped": 1,
        "dropped": {"duplicate": 1},
        "refused": {"agent 1": {"duplicate": 2}},
        "carried": {"agents": 3, "kinds": {"state": [2, 8]}, "bundles": 2, "bundle_bytes": 50, "handed_on": 3, "hop_milliseconds": 0.5},
    },
    {
        "event": "staleness",
        "ages": {"agent 0": {"state": {"0": 10, "1": 2, "16 or more": 1, "absent": 1}}},
        "late": {"agent 1": 2},
        "actions": {"agent 0": {"0": 5, "2": 1}},
        "overruns": 0,
    },
    {"event": "failed", "role": "agent_1", "exit_code": 10, "line": "agent 1 failed", "signal": None},
)


def make_sample(path: Path, **changes: Any) -> Path:
    """Make the run at a path that does not exist."""
    run = netagents.run(SETTINGS | changes, directory=path)
    prepared = prepare(run.experiment)
    recorder = InboxRecorder(inbox_folder(path, 0), run.directory.run_id, 0, 1 << 28)

    def observe(agent: int, turn: ExchangeRequest, messages: list[Message]) -> None:
        if agent == 0:
            recorder.record(turn, messages)

    network = InProcessNetwork(prepared.setup, prepared.environment, observe)
    recorder.begin(0, network.agents[0].arrays)
    assert len(list(network.run(0, 4))) == 4
    recorder.close()
    for event in EVENTS:
        facts = dict(event)
        run.directory.append_event(facts.pop("event"), **facts)
    entries = [
        {"time": 1_780_000_000.0 + at, "level": "info", "role": "agent_1", "phase": "iteration 1", "message": f"line {at}"}
        for at in range(4)
    ]
    failure = {"failure": {"error": "E", "line": "gone", "exit_code": 1}, "traceback": "Traceback ...\n  line"}
    text = "".join(f"{json.dumps(entry)}\n" for entry in [*entries, entries[-1] | failure])
    (path / "logs" / "agent_1.jsonl").write_text(text)
    return path


def record_files(path: Path) -> list[str]:
    """The files of the run that are records, relative to it: one of each kind."""
    newest = max(path.glob("checkpoints/iteration-*"))
    rows = ["events.jsonl", "metrics.jsonl", "power.jsonl", "ledger.jsonl", "logs/agent_1.jsonl"]
    whole = ["manifest.json", "experiment.json", "topology.json", "environment.json"]
    below = [newest / "manifest.json", newest / "agent-0.safetensors", path / "inbox" / "agent-0" / "000000.inbox"]
    return [*whole, *rows, *(str(file.relative_to(path)) for file in below)]
