"""Failure policy of the environment server: one state machine per agent, without input or output.

The server's waits, links and pipes feed it events and carry out the actions that it answers with
(:mod:`netagents.nodes.server.heartbeats`, :mod:`netagents.nodes.server.participants`).  The launcher's half, who is started again and how
often, is :mod:`netagents.launchers.supervision.restarts`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum

from netagents.experiment import Experiment
from netagents.experiment.clock_settings import DropStepSettings, LockstepSettings, UseLastSettings
from netagents.nodes.server.transition_table import Table, read_table


class AgentState(StrEnum):
    """What the server knows about an agent."""

    TAKING_PART = "taking part"
    LATE = "late"
    """Something else was executed in the place of its newest action."""
    ASKED = "asked"
    """Its message is missing, and it was asked for a heartbeat."""
    SILENT = "silent"
    """It gave none, or it lied, and the launcher is told each time: it kills the process, unless that has only just been started."""
    RESTARTING = "restarting"
    """It said why it ends; the launcher starts it again."""
    LOST = "lost"
    """It is gone for good."""


class AgentEvent(StrEnum):
    """What happens to an agent, as far as the server can see."""

    MESSAGE = "message"
    """The message that was waited for is there."""
    ACTION_OVERDUE = "action overdue"
    """Its action is late, and the straggler policy has something to play in its place."""
    MESSAGE_OVERDUE = "message overdue"
    """Its message is missing after half of ``timeouts.answer``."""
    HEARTBEAT = "heartbeat"
    NO_ANSWER = "no answer"
    """It gave no heartbeat within the other half."""
    FAILED = "failed"
    """It said why it ends."""
    MISBEHAVED = "misbehaved"
    """It sent an action or a count that no honest agent of the run could send."""
    GONE = "gone"
    """The launcher says that its process is gone for good."""
    HELLO_AGAIN = "hello again"
    """A new process of it said hello."""
    BEGIN = "begin"
    """All who are left are ready, and an iteration begins again."""
    DEADLINE = "deadline"
    """The time for its message, or for its getting ready, is over."""


class PolicyAction(StrEnum):
    """What the server does about it."""

    REPLACE = "replace"
    """Plays something in the place of its action: see :class:`Replacement`."""
    ASK = "ask"
    """Asks it for a heartbeat."""
    NOTE = "note"
    """Writes a line into the log."""
    REPORT = "report"
    """Reports it to the launcher as silent, which kills its process."""
    RESTORE = "restore"
    """Takes all back to the newest checkpoint."""
    DROP = "drop"
    """Takes the others back to the first iteration that is not recorded, and goes on without it."""
    FAIL = "fail"
    """Ends the run with :class:`~netagents.errors.NodeFailedError`, which names it."""
    GIVE_UP = "give up"
    """Ends the run with :class:`~netagents.errors.DeadlineError`, which says what was waited for."""


class Replacement(StrEnum):
    """What is executed in the place of an action that is late."""

    REPEAT_LAST = "repeat last action"
    NO_OP = "no-op"


AgentTable = Table[AgentState, AgentEvent, PolicyAction]

STOP_ALL: AgentTable = read_table(
    """
event           | taking part          | late                 | lost
message         | taking part          | taking part          | lost
action overdue  | late: replace        | late: replace        | lost
message overdue | taking part          | late                 | lost
heartbeat       | taking part          | late                 | lost
no answer       | taking part          | late                 | lost
failed          | lost: fail           | lost: fail           | lost
misbehaved      | lost: fail           | lost: fail           | lost
gone            | lost: fail           | lost: fail           | lost
hello again     | taking part: restore | taking part: restore | lost
begin           | taking part          | taking part          | lost
deadline        | lost: give up        | lost: give up        | lost
""",
    AgentState,
    AgentEvent,
    PolicyAction,
)
"""Nobody is asked; who fails or misses the deadline ends the run."""

RESTART: AgentTable = read_table(
    """
event           | taking part          | late                 | asked                | silent               | restarting           | lost
message         | taking part          | taking part          | taking part          | taking part          | restarting           | lost
action overdue  | late: replace        | late: replace        | late: replace        | silent: replace      | restarting: replace  | lost
message overdue | asked: ask           | asked: ask           | asked: ask           | silent: ask          | restarting: ask      | lost
heartbeat       | taking part          | late                 | taking part          | taking part          | restarting           | lost
no answer       | taking part          | late                 | silent: note, report | silent: report       | silent: note, report | lost
failed          | restarting: note     | restarting: note     | restarting: note     | silent: note         | restarting           | lost
misbehaved      | silent: note, report | silent: note, report | silent: note, report | silent: report       | silent: note, report | lost
gone            | lost: fail           | lost: fail           | lost: fail           | lost: fail           | lost: fail           | lost
hello again     | taking part: restore | taking part: restore | taking part: restore | taking part: restore | taking part: restore | lost
begin           | taking part          | taking part          | taking part          | taking part          | taking part          | lost
deadline        | lost: give up        | lost: give up        | lost: give up        | lost: give up        | lost: give up        | lost
""",
    AgentState,
    AgentEvent,
    PolicyAction,
)
"""Who fails is started again by the launcher, and its new process says hello; the launcher ends the run when it has done so too often."""

CONTINUE_WITHOUT: AgentTable = read_table(
    """
event           | taking part          | late                 | asked                    | lost
message         | taking part          | taking part          | taking part              | lost
action overdue  | late: replace        | late: replace        | late: replace            | lost
message overdue | asked: ask           | asked: ask           | asked: ask               | lost
heartbeat       | taking part          | late                 | taking part              | lost
no answer       | taking part          | late                 | lost: note, report, drop | lost
failed          | lost: note, drop     | lost: note, drop     | lost: note, drop         | lost
misbehaved      | lost: note, report, drop | lost: note, report, drop | lost: note, report, drop | lost
gone            | lost: drop           | lost: drop           | lost: drop               | lost
hello again     | taking part: restore | taking part: restore | taking part: restore     | lost
begin           | taking part          | taking part          | taking part              | lost
deadline        | lost: give up        | lost: give up        | lost: give up            | lost
""",
    AgentState,
    AgentEvent,
    PolicyAction,
)
"""Whoever fails is lost at once, and the others go on."""

TABLES = {"stop_all": STOP_ALL, "restart": RESTART, "continue_without": CONTINUE_WITHOUT}
"""``failures.agent`` -> (state, event) -> (state, actions)."""


class FailurePolicy:
    """The states of all agents under one experiment's ``failures`` and ``clock.straggler``.

    Args:
        experiment: the settings.
        agents: how many there are.

    Attributes:
        lost: agents that are gone for good.
        replaced: agents whose own action of the newest step was not executed.
        times_late: per agent, how often that happened.
        asks: whether agents are ever asked for a heartbeat.
        replaces: seconds after which an action is late; None where every action is waited for.
    """

    def __init__(self, experiment: Experiment, agents: int) -> None:
        self._table = TABLES[experiment.failures.agent]
        self._states = dict.fromkeys(range(agents), AgentState.TAKING_PART)
        clock = experiment.clock
        straggler = clock.straggler if isinstance(clock, LockstepSettings) else None
        self._straggler = straggler if isinstance(straggler, UseLastSettings | DropStepSettings) else None
        self.replaces: float | None = None if self._straggler is None else self._straggler.after
        self.asks = any(PolicyAction.ASK in transition.actions for transition in self._table.values())
        self._actions_old: dict[int, int] = {}
        self._irregular: set[int] = set()
        self.lost: set[int] = set()
        self.replaced: frozenset[int] = frozenset()
        self.times_late: Counter[int] = Counter()

    def state(self, agent: int) -> AgentState:
        """The state of one agent."""
        return self._states[agent]

    def handle(self, agent: int, event: AgentEvent) -> tuple[PolicyAction, ...]:
        """Take an event in; gives what is to be done about it, in this order."""
        state, actions = self._table[self._states[agent], event]
        self._states[agent] = state
        if state is AgentState.TAKING_PART:
            self._irregular.discard(agent)
        else:
            self._irregular.add(agent)
        if state is AgentState.LOST:
            self.lost.add(agent)
        return actions

    def unanswered(self, agents: Iterable[int]) -> list[int]:
        """Those of ``agents`` that were asked and have not answered."""
        waiting = (AgentState.ASKED, AgentState.SILENT, AgentState.RESTARTING)
        return [agent for agent in agents if self._states[agent] in waiting]

    def begin(self) -> None:
        """An iteration begins again with all who are left."""
        self.replaced = frozenset()
        for agent in sorted(self._irregular):
            self.handle(agent, AgentEvent.BEGIN)

    def messages_arrived(self, senders: Collection[int], *, actions: bool) -> None:
        """What was waited for is there, from each of ``senders``; ``actions``: they are actions, which may be repeated later."""
        self.replaced = frozenset()
        self._note_arrival(senders, actions=actions)

    def replace_late(self, senders: Sequence[int], missing: Collection[int]) -> dict[int, Replacement] | None:
        """What is executed in the place of the actions that are ``missing`` from ``senders``; None: all are waited for.

        ============  ===============================================  ==================
        straggler     the agent                                        executed
        ============  ===============================================  ==================
        wait          any                                              (waited for)
        use_last      has acted, at most ``max_age`` steps ago         repeat last action
        use_last      has not                                          (waited for)
        drop_step     any                                              no-op
        ============  ===============================================  ==================

        One that has to be waited for makes all be waited for.
        """
        actions = {agent: self._replacement(agent) for agent in missing}
        replacements = {agent: replacement for agent, replacement in actions.items() if replacement is not None}
        if len(replacements) < len(actions):
            return None
        self._note_arrival([agent for agent in senders if agent not in actions], actions=True)
        for agent in actions:
            self.handle(agent, AgentEvent.ACTION_OVERDUE)
            self._actions_old[agent] = self._actions_old.get(agent, 0) + 1
            self.times_late[agent] += 1
        self.replaced = frozenset(actions)
        return replacements

    def _replacement(self, agent: int) -> Replacement | None:
        if isinstance(self._straggler, DropStepSettings):
            return Replacement.NO_OP
        if isinstance(self._straggler, UseLastSettings) and self._actions_old.get(agent, self._straggler.max_age) < self._straggler.max_age:
            return Replacement.REPEAT_LAST
        return None

    def _note_arrival(self, senders: Collection[int], *, actions: bool) -> None:
        if actions and self._straggler is not None:
            self._actions_old.update(dict.fromkeys(senders, 0))
        if self._irregular:
            for agent in self._irregular.intersection(senders):
                self.handle(agent, AgentEvent.MESSAGE)
