"""Warm-up of the forkserver: what every node does first is done here once before the first fork, so that all nodes share its memory.

Python builds many things when they are first used, such as validators, caches and formats.  Built before the fork they exist once, built
after it once per agent: with a hundred agents this is about 60 MiB.  Nothing of it stays visible: the generators are seeded again by each
process, and the log is the null device.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from netagents.environments.specification_json import spec_to_json
from netagents.experiment import Experiment
from netagents.launchers.in_process_network import InProcessNetwork
from netagents.learning.prepared_experiment import prepare
from netagents.nodes.bootstrap.welcome import read_welcome, write_welcome
from netagents.nodes.process.launcher_check import in_forkserver
from netagents.randomness import BEFORE_TRAINING, ENVIRONMENT_OWNER, seed_globally
from netagents.records.process_log import open_log

SMALL = {"environment": {"kind": "line_msg"}, "topology": {"kind": "line", "n": 4}, "learning": {"iterations": 1}}
"""An experiment of the product's own parts; it imports nothing that somebody else wrote."""


def warm_up() -> None:
    """Seed the generators, write to a log, read a Welcome and learn for one iteration, as each node does when it starts."""
    seed_globally(0, ENVIRONMENT_OWNER, BEFORE_TRAINING)
    log = open_log(Path(os.devnull), "forkserver")
    log.logger.info("warm")
    log.close()
    prepared = prepare(Experiment.model_validate_json(json.dumps(SMALL)))
    read_welcome(write_welcome(prepared.setup, json.dumps(spec_to_json(prepared.setup.spec)), {0: "ipc:///dev/null"}))
    list(InProcessNetwork(prepared.setup, prepared.environment).run(0, 1))


if in_forkserver():
    warm_up()
