"""Settings of launchers that place agents on several hosts: which hosts, and how they are reached."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from netagents.experiment.base import Settings, written

Word = Annotated[str, written(r"[A-Za-z0-9_][A-Za-z0-9_.,@:/=+-]{0,199}", "use letters, digits and . , _ @ : / = + - only")]
Address = Annotated[str, written(r"[0-9a-fA-F.:]{2,45}", "write a numeric address, such as 192.0.2.7")]
Program = Annotated[str, written(r"[A-Za-z0-9_./+-]{1,400}", "write the path of a program, without spaces")]


class HostsSettings(Settings):
    """Hosts of the ssh launcher, and what holds of the hosts of every launcher."""

    file: str | None = Field(None, description="file of hosts, a line each: name, number of agents, options (launcher ssh)")
    python: Program | None = Field(None, description="path of Python with netagents on the hosts; default: that of this one")
    shared_files: bool = Field(False, description="the hosts see this host's files under the same paths (launchers ssh and ray)")
    server: Address | None = Field(None, description="address of this host for the others; default: that of the way to each of them")


class SlurmSettings(Settings):
    """The allocation of the Slurm launcher, and how agents use it."""

    partition: Word | None = Field(None, description="partition of the cluster; default: that of Slurm")
    nodes: Annotated[int, Field(ge=1, le=100_000)] = Field(1, description="hosts (Slurm calls them nodes) over which agents are spread")
    account: Word | None = Field(None, description="account that is charged")
    time: Annotated[str, written(r"[0-9:-]{1,20}", "write [days-]hours:minutes:seconds")] | None = Field(
        None, description="time limit of the job"
    )
    steps: Literal["host", "role"] = Field(
        "host", description="one step per host, which forks its agents; or one per agent, each with an exit code and memory limit of Slurm"
    )
    options: tuple[Annotated[str, written(r"--[a-z][A-Za-z0-9=_.,:/@+-]{1,300}", "write --name=value")], ...] = Field(
        (), description="further options of sbatch, such as --qos=long"
    )


class RaySettings(Settings):
    """The cluster of the Ray launcher, and what each agent takes of it."""

    address: Word = Field("auto", description="address of the cluster's head, such as 10.0.0.1:6379; auto finds the one of this host")
    processors: Annotated[float, Field(ge=0.01, le=1024.0)] = Field(1.0, description="processors that Ray counts for an agent")
    gpus: Annotated[float, Field(ge=0.0, le=64.0)] = Field(
        0.0, description="GPUs that Ray counts for an agent, or a share of one; the agents of a host see those that they have together"
    )
    resources: dict[Word, Annotated[float, Field(gt=0.0, le=1e6)]] = Field(
        {}, description="resources of your cluster that an agent takes, by their names in Ray, such as {accelerator: 1}"
    )
