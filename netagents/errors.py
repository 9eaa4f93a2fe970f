"""The one exception tree of netagents.

Every error a user can cause or meet is a :class:`NetagentsError`.  Each leaf has its own exit code and says, in one
line, what is wrong, where, and what would be right.  ``docs/exit-codes.md`` is generated from this file.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple


def printable(text: str, keep: str = "") -> str:
    """A text as it may be shown: what a terminal would obey (control, escape and direction characters) as ``\\x1b``, ``\\u202e``, ...

    Args:
        text: from a file, a name or a message.
        keep: characters that stay although they do not print, such as a line break.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in keep else ascii(each)[1:-1] for each in text)


class Wait(NamedTuple):
    """What a process was waiting for when it ended: among several, the one with the lowest place explains the others.

    ``place`` is ordered as a run goes on; ``what`` such as ``state of iteration 2, step 5 from agent 4``.
    """

    place: tuple[int, int, int, int]
    what: str


class NetagentsError(Exception):
    """Base of all errors; ``str(error)`` is always one line: ``where: what; fix``.

    Args:
        what: what is wrong, with the offending value.
        where: file, line, key, role or message in which it was found.
        fix: what would be right.
    """

    exit_code: ClassVar[int] = 1
    symptom: ClassVar[str] = "An error inside netagents itself."
    action: ClassVar[str] = "Report it together with the run directory."

    wait: Wait | None = None
    """What the process was waiting for when this ended it."""

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        self.what = what
        self.where = where
        self.fix = fix
        line = f"{where}: {what}" if where else what
        if fix:
            line = f"{line}; {fix}"
        super().__init__(" ".join(line.split()))


class UsageError(NetagentsError):
    """A command was called with words it does not know."""

    exit_code = 2
    symptom = "A flag, an argument or an override is not understood."
    action = "Read the line; `netagents COMMAND --help` lists what the command takes."


class ExperimentError(NetagentsError):
    """An experiment file or an override is wrong."""

    exit_code = 3
    symptom = "A key is unknown, a value has the wrong type, or two settings contradict each other."
    action = "Mend the named key; `netagents config show FILE` prints every value and where it came from."


class TopologyError(NetagentsError):
    """A graph or a graph file is wrong."""

    exit_code = 4
    symptom = "A graph file cannot be read, or the graph is not one that agents can live on."
    action = "Mend the named line of the file, or the parameters of the generator."


class EnvironmentMismatchError(NetagentsError):
    """An environment does not fit the topology, the policy or the contract."""

    exit_code = 5
    symptom = "The environment cannot run on this topology, or breaks the environment contract."
    action = "Choose the topology the line asks for, or run `netagents.testing.check_environment` on your environment."


class ForeignCodeError(EnvironmentMismatchError):
    """An environment, a utility or a policy that is not netagents' own raised an error, or gave a value that it may not give."""


class SimulatorError(ForeignCodeError):
    """A simulator refuses what it is given, such as a file of routes: the line says all, and a traceback would add nothing."""


class IllegalActionError(EnvironmentMismatchError):
    """An agent's action is out of range, not legal or of the wrong shape; attribute ``agent`` says whose.

    Args:
        agent: its index.
        step: of the iteration.
        what, fix: as :class:`NetagentsError` has them.
    """

    def __init__(self, agent: int, step: int, what: str, fix: str) -> None:
        self.agent = agent
        super().__init__(what, where=f"agent {agent}, step {step}", fix=fix)


class ForeignExitError(ForeignCodeError):
    """Such code asked the whole process to end."""


class RunDirectoryError(NetagentsError):
    """A run directory exists already, is missing, or is not one."""

    exit_code = 6
    symptom = "The run directory cannot be created or read."
    action = "Name another directory, or remove the old one with `netagents clean`."


class CapacityError(NetagentsError):
    """Something would not fit into memory or the machine's limits."""

    exit_code = 7
    symptom = "A table, a joint model or a set of processes would be too large."
    action = "Use the smaller setting that the line names."


class UtilityError(NetagentsError):
    """A utility or a constraint is undefined or cannot be met."""

    exit_code = 8
    symptom = "A utility is undefined at the occupancy it met, or a constraint cannot be satisfied by any policy."
    action = "Raise the floor, mend the target, or lower the threshold as the line says."


class NumericalError(NetagentsError):
    """A value that must be finite is not."""

    exit_code = 9
    symptom = "NaN or infinity in an observation, a reward or a parameter."
    action = "Lower the step size, or mend the environment at the agent and step that the line names."


class NodeFailedError(NetagentsError):
    """A process of the run ended although it should not have."""

    exit_code = 10
    symptom = "An agent, the environment server or another process of the run died or raised an error."
    action = "Read the named role's last log lines below the message; its log is in the run directory."


class DeadlineError(NetagentsError):
    """A wait ran out of time."""

    exit_code = 11
    symptom = "A peer did not answer in time; the line names the phase, the step and the missing peers."
    action = "Look at the logs of the missing peers; raise the named timeout if the machine is just slow."


class ProtocolError(NetagentsError):
    """Peers do not agree on what may be said when."""

    exit_code = 12
    symptom = "A message was duplicated, too early, from another run, or the peer speaks another version."
    action = "Make sure that all nodes run the same version of netagents and belong to the same run."


class DecodeError(ProtocolError):
    """A message could not be decoded.  The only error that :func:`netagents.wire.codec.decode` raises."""


class SecurityError(NetagentsError):
    """A link is not allowed as it is."""

    exit_code = 13
    symptom = "A tcp address without keys, a key that is wrong, or files that others can read."
    action = "Make keys with `netagents keys FILE --out DIR` and give each node its own folder."


class EngineError(NetagentsError):
    """The engine that is to run the nodes (containers, Slurm, ssh, Ray) cannot do what it should."""

    exit_code = 14
    symptom = "What is to run the nodes is missing, refuses, or does not reach a host; or an image or a host has another version."
    action = "Do what the line says; `docker info`, `sinfo`, `ssh HOST true` or `ray status` must work for the user that starts the run."


class MissingPackageError(NetagentsError):
    """An optional package is not installed."""

    exit_code = 15
    symptom = "The experiment asks for something that an optional package does, and that package is not there."
    action = "Install the extra that the line names, such as `pip install 'netagents[environments]'`."


class ReplayError(NetagentsError):
    """A replayed agent came to something else than the agent of the run."""

    exit_code = 16
    symptom = "`netagents replay` repeated an agent's iterations and found another state or other numbers than the run recorded."
    action = "Replay with the code, the packages and the kind of processor that the run was made with."


class OutputError(NetagentsError):
    """Standard output cannot be written."""

    exit_code = 17
    symptom = "What a command prints cannot be written: the disk is full, or the terminal is gone."
    action = "Send the output elsewhere and call the command again; runs and files that it made are complete."


class InterruptedRunError(NetagentsError):
    """The run was ended by Ctrl-C (exit code 130), SIGTERM (exit code 143) or the loss of its terminal (SIGHUP, exit code 129)."""

    exit_code = 130
    symptom = "The run was interrupted; its records up to then are complete and readable."
    action = "Nothing needs correcting; `netagents resume RUN` goes on from the newest checkpoint."

    def __init__(self, what: str, *, signal_number: int, where: str | None = None, fix: str | None = None) -> None:
        super().__init__(what, where=where, fix=fix)
        self.signal_number = signal_number

    @property
    def code(self) -> int:
        """The exit code: 128 plus the signal's number, as shells expect."""
        return 128 + self.signal_number


def exit_code_of(error: BaseException) -> int:
    """The documented exit code of any exception (1 for those that are not ours)."""
    if isinstance(error, InterruptedRunError):
        return error.code
    if isinstance(error, NetagentsError):
        return error.exit_code
    return 1
