"""One process per node on this machine, supervised; the records are written by the environment server's process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from netagents.experiment.launcher_capabilities import CAPABILITIES
from netagents.launchers.launcher import LaunchedRun, Launcher
from netagents.launchers.supervision.forkserver import PRELOAD
from netagents.launchers.supervision.process_supervisor import ProcessSupervisor
from netagents.launchers.supervision.supervised_run import ending, supervise, viewing
from netagents.launchers.supervision.supervisor_events import NodeSpec
from netagents.learning.prepared_experiment import Prepared
from netagents.nodes.agent.inbox_recording import inbox_folder
from netagents.nodes.bootstrap.node_addresses import link_scheme
from netagents.nodes.bootstrap.node_keys import WITHOUT_KEYS, run_bundles
from netagents.nodes.process.socket_directory import SocketDirectory
from netagents.records.run_creation import REPLAY
from netagents.records.run_directory import RunDirectory
from netagents.wire.security.key_bundles import write_bundles

TABULAR_PRELOAD = (
    *PRELOAD[:-1],
    "numpy.random",  # numpy imports these two when they are first used, which would be once per agent
    "numpy.ma",
    "netagents.nodes.agent.agent_process",
    "netagents.nodes.monitor.monitor_process",
    "netagents.learning.prepared_experiment",
    "netagents.topology.topology_json",
    "netagents.launchers.warm_up",
    PRELOAD[-1],
)
"""What every node of a tabular run imports once, before the first fork; the guard stays last."""

NEURAL_PRELOAD = (
    *TABULAR_PRELOAD[:-1],
    "torch",
    "torch.optim.adam",
    "netagents.learning.algorithms.actor_critic",
    "netagents.learning.algorithms.ppo",
    PRELOAD[-1],
)
"""The same for agents that train networks."""


class LocalLauncher(Launcher):
    """Forks every node from one process that has imported everything."""

    capabilities = CAPABILITIES["local"]

    def carry_out(self, run: LaunchedRun) -> None:
        experiment, prepared, directory = run.experiment, run.prepared, run.directory
        if experiment.runtime.transport == "tcp" and experiment.runtime.insecure:
            run.display.note(f"note: runtime.insecure: {WITHOUT_KEYS}")
        sockets = SocketDirectory.create()
        with ending(directory, sockets), viewing(sockets.path, link_scheme(experiment.runtime.transport)) as (listener, view):
            specs = node_specs(prepared, directory, sockets, view, run.first)
            with ProcessSupervisor(
                specs,
                timeouts=experiment.timeouts,
                log_directory=directory.path / "logs",
                sockets=sockets,
                preload=NEURAL_PRELOAD if experiment.uses_networks else TABULAR_PRELOAD,
                interruptions=run.interruptions,
            ) as supervisor:
                copies = copies_file(prepared, sockets)
                supervise(supervisor, prepared, directory, run.display, listener, sockets.path, copies, run.watch)


def node_specs(
    prepared: Prepared, directory: RunDirectory, sockets: SocketDirectory, view: str, first: int | None = None
) -> list[NodeSpec]:
    """What to start: the environment server, the monitor and one process per agent, in the order that the experiment asks for."""
    experiment, run = prepared.experiment, directory.run_id.hex()
    scheme = link_scheme(experiment.runtime.transport)
    listen = join = f"{scheme}://{sockets.path}/environment"
    # Whether code that the experiment names may run was decided before there was a process.
    hosting = {"run_directory": str(directory.path.absolute()), "lines": str(sockets.path), "trust": "1"}
    copies = copies_file(prepared, sockets)
    if copies is not None:
        hosting["copies"] = str(copies)
    if first is not None:
        hosting["resume_from"] = str(first)
    if scheme == "tcp":
        # The server takes a free port and says which; nobody guesses.
        listen, join = "tcp://127.0.0.1:0", f"file://{sockets.path}/endpoint"
        hosting["announce"] = f"{sockets.path}/endpoint"
        if experiment.runtime.insecure:
            hosting["insecure"] = "1"
        else:
            hosting["keys"] = keys = f"{sockets.path}/keys"
            write_bundles(run_bundles(prepared.setup).values(), Path(keys))
    # What the experiment names was chosen by who started it, on this machine.
    common = {"join": join, "run": run, "timeout_scale": str(experiment.timeouts.scale), "allow_imports": "1"}
    common["join_seconds"] = str(experiment.timeouts.seconds("join"))
    common.update({name: hosting[name] for name in ("keys", "insecure") if name in hosting})
    specs = [
        NodeSpec("environment", "netagents.nodes.server.environment_server:run_environment", {**hosting, "listen": listen}),
        *(
            [
                NodeSpec(
                    "monitor",
                    "netagents.nodes.monitor.monitor_process:run_monitor",
                    {**common, "view": view},
                    essential=experiment.failures.monitor == "stop_all",
                )
            ]
            if experiment.runtime.monitor
            else []
        ),
        *(
            NodeSpec(
                f"agent_{index}",
                "netagents.nodes.agent.agent_process:run_agent",
                {**common, **_recorded(prepared, directory, index), **_replayed(prepared, directory), "index": str(index)},
            )
            for index in range(prepared.setup.n)
        ),
    ]
    seed = experiment.runtime.start_order_seed
    if seed is None:
        return specs
    order: Sequence[int] = np.random.default_rng(seed).permutation(len(specs)).tolist()
    return [specs[place] for place in order]


def copies_file(prepared: Prepared, sockets: SocketDirectory) -> Path | None:
    """Where the server says how many copies of its environment there are; None where there is nothing to make."""
    return None if prepared.setup.spec.capabilities.vectorized else sockets.path / "copies"


def _replayed(prepared: Prepared, directory: RunDirectory) -> dict[str, str]:
    """Where agents keep their replay buffers, if they have any."""
    return {} if not prepared.setup.replays else {"replay": str(directory.path.resolve() / REPLAY)}


def _recorded(prepared: Prepared, directory: RunDirectory, index: int) -> dict[str, str]:
    """Where an agent writes down what it is told, if the experiment asks for that."""
    agents = prepared.experiment.runtime.record_inbox
    return {"record_inbox": str(inbox_folder(directory.path.resolve(), index))} if agents == "all" or index in agents else {}
