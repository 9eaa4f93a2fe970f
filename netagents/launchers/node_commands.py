"""Names and commands of the nodes of a run that something else than the local launcher starts: containers, or steps of a cluster's job."""

from __future__ import annotations

import netagents
from netagents.errors import EngineError
from netagents.experiment import Experiment
from netagents.learning.prepared_experiment import Prepared
from netagents.nodes.bootstrap.foreign_code import imported_parts
from netagents.records.frozen_policies import borrows_policies

PORT = 5701
"""Port of the environment server inside its container; never published."""

IMAGE_USER = 10001
"""User of the image (``launch/Dockerfile``), which owns nothing on the host."""


def default_image() -> str:
    """The image of this version."""
    return f"netagents:{netagents.__version__}"


def agent_service(index: int) -> str:
    """The service of an agent, which is also its host name."""
    return f"agent-{index}"


def node_names(prepared: Prepared) -> list[str]:
    """The names of all nodes of a run: the server, the monitor if there is one, the agents."""
    monitor = ["monitor"] if prepared.experiment.runtime.monitor else []
    return ["environment", *monitor, *(agent_service(index) for index in range(prepared.setup.n))]


def listening(advertise: str) -> list[str]:
    """The options with which a node listens in its container.

    Args:
        advertise: host under which others reach it.
    """
    return ["--listen", f"tcp://0.0.0.0:{PORT}", "--advertise", advertise, "--keys", "/keys"]


def joining(name: str, experiment: Experiment, *, advertise: str, server: str = "environment") -> list[str]:
    """The command of a node in a container that joins the server.

    Args:
        name: of the node. experiment: the run's.
        advertise: host under which others reach the node.
        server: host name of the server.
    """
    command = ["node", name, "--join", f"tcp://{server}:{PORT}", "--advertise", advertise, "--keys", "/keys"]
    return [*command, *member_options(experiment)]


def member_options(experiment: Experiment) -> list[str]:
    """The options of every node but the server that follow from the experiment."""
    options = ["--timeout-scale", str(experiment.timeouts.scale)] if experiment.timeouts.scale != 1.0 else []
    return [*options, "--allow-imports"] if imported_parts(experiment) else options


def check_fits_containers(experiment: Experiment) -> None:
    """Refuse settings that cannot work in containers.

    Raises:
        EngineError: names the setting.
    """
    runtime = experiment.runtime
    own = _own_code(experiment)
    if own and runtime.containers.image is None:
        raise EngineError(
            f"the experiment names code of your own ({own[0][:100]}), which the image does not have",
            where="containers",
            fix="build an image from it that has the code, and name it with runtime.containers.image",
        )
    if borrows_policies(experiment):
        raise EngineError(
            "agents play policies of another run or of a bank, which containers do not see",
            where="containers",
            fix="run it with the local launcher, or under Slurm, where all hosts see the path",
        )
    if runtime.sinks:
        raise EngineError(
            f"the monitor's container has no folder '{runtime.sinks[0].folder}' to write to",
            where="runtime.sinks",
            fix="leave it out; `netagents report` and the records have the same numbers",
        )
    if runtime.tensorboard is not None:
        raise EngineError(
            f"the monitor's container has no folder '{runtime.tensorboard}' to write to",
            where="runtime.tensorboard",
            fix="leave it out; `netagents report` and the records have the same numbers",
        )


def _own_code(experiment: Experiment) -> list[str]:
    environment = experiment.environment.kind
    return [*([environment] if environment.startswith("import:") else []), *imported_parts(experiment)]
