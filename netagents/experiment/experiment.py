"""Experiment: everything that defines a run, and nothing about the machine that could change its bits."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from netagents.errors import ExperimentError
from netagents.experiment.agent_fault_settings import AgentFault, ProcessFault
from netagents.experiment.agent_groups import AgentGroup, check_groups
from netagents.experiment.base import Settings, written
from netagents.experiment.calibration_settings import CalibrationSettings
from netagents.experiment.checkpoint_settings import CheckpointSettings
from netagents.experiment.clock_settings import ClockSettings, LockstepSettings, WaitSettings
from netagents.experiment.constraint_settings import ConstraintSettings
from netagents.experiment.container_settings import ContainerSettings
from netagents.experiment.environment_settings import EnvironmentSettings
from netagents.experiment.episode_settings import EpisodeSettings
from netagents.experiment.failure_settings import FailureSettings
from netagents.experiment.intervention_settings import InterventionSettings, PolicyIntervention, check_interventions_fit
from netagents.experiment.launcher_capabilities import CAPABILITIES, OWN_LAUNCHERS, LauncherCapabilities, stated_capabilities
from netagents.experiment.launcher_settings import HostsSettings, RaySettings, SlurmSettings
from netagents.experiment.learning_settings import LearningSettings, PowerSettings
from netagents.experiment.link_fault_settings import FaultSettings
from netagents.experiment.policy_settings import NETWORKS, PolicySettings, SoftmaxPolicySettings
from netagents.experiment.settings_of_agents import AgentSettings, learning_of, policy_of, settings_of
from netagents.experiment.signal_settings import SignalSettings, check_names
from netagents.experiment.sink_settings import SinkSettings
from netagents.experiment.timeouts import Timeouts
from netagents.experiment.topology_settings import TopologySettings
from netagents.experiment.utility_settings import NoUtilitySettings, UtilitySettings

NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
Kappa = Annotated[int, Field(ge=0, le=100_000)]
Radius = Kappa | tuple[Kappa, ...]
MutedKind = Annotated[
    str,
    written(
        r"[a-z][a-z0-9_]{0,40}(@[1-9][0-9]{0,4})?",
        "write a kind of message, such as truncated_q, with the hop distance if only that is meant: truncated_q@2",
    ),
]


class RuntimeSettings(Settings):
    """How the run is carried out; none of these settings changes what is learned."""

    launcher: str = Field(
        "local",
        description="one process per agent (local), all in one (in_process), one container per agent (compose), processes on several hosts "
        "(slurm, ssh, ray), or a launcher of your own (import:package.module:Class)",
    )
    transport: Literal["auto", "unix", "ipc", "tcp"] = Field(
        "auto",
        description="links of the local launcher: unix sockets without ZeroMQ (auto takes these where the platform has them, else ipc), "
        "ZeroMQ over unix sockets (ipc), or ZeroMQ over tcp with keys",
    )
    insecure: bool = Field(
        False,
        description="tcp links of the local launcher without keys: every user of this machine can then read, steer and stop the run",
    )
    directory: str = Field("runs", description="where run directories are made")
    monitor: bool = Field(True, description="start a monitor: live views and sinks; records and learning never depend on it")
    tensorboard: str | None = Field(None, description="folder for TensorBoard event files, written by the monitor (extra 'tensorboard')")
    sinks: tuple[SinkSettings, ...] = Field((), description="places beside the records to which the monitor writes")
    history: str | None = Field(
        None, description="folder where every node records what it sent and received over links that have models (testing.check_history)"
    )
    start_order_seed: Annotated[int, Field(ge=0)] | None = Field(None, description="start the processes in this random order (tests)")
    record_inbox: Literal["all"] | tuple[Annotated[int, Field(ge=0)], ...] = Field(
        (), description="agents whose inbox is recorded for `netagents replay`: a list, or all (launcher local)"
    )
    record_inbox_bytes: Annotated[int, Field(ge=1 << 16, le=1 << 40)] = Field(
        1 << 28, description="bytes that the recording of one agent may take; the oldest part is removed"
    )
    containers: ContainerSettings = ContainerSettings()
    hosts: HostsSettings = HostsSettings()
    slurm: SlurmSettings = SlurmSettings()
    ray: RaySettings = RaySettings()

    @field_validator("launcher")
    @classmethod
    def _launcher_is_known(cls, launcher: str) -> str:
        return launcher if launcher in CAPABILITIES else OWN_LAUNCHERS.check_name(launcher)


class Experiment(Settings):
    """The settings of a run.  ``kappa`` sets all three radii; each may be set alone, as one number or one per agent."""

    name: Annotated[str, written(NAME, "use up to 64 letters, digits, dots, dashes and underscores, a letter or digit first")] = Field(
        "experiment", description="default: that of the file"
    )
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0
    environment: EnvironmentSettings
    topology: TopologySettings
    kappa: Kappa | Literal["auto"] = Field(
        1, description="communication radius: default of the three below; auto: a calibration chooses those that are not set"
    )
    kappa_policy: Radius | None = Field(None, description="whose states the actor reads")
    kappa_critic: Radius | None = Field(None, description="whose states and actions index a critic")
    kappa_gradient: Radius | None = Field(None, description="whose values enter the gradient")
    routing: Literal["direct", "relay"] = Field(
        "direct", description="agents have links to all agents within the radius, or to neighbours only, which pass messages on hop by hop"
    )
    information: Literal["fresh", "aged"] = Field(
        "fresh", description="policies read the present states of others, or those of as many steps ago as they are hops away"
    )
    calibration: CalibrationSettings = Field(CalibrationSettings(), description="how kappa: auto chooses radii; of no effect otherwise")
    learning: LearningSettings = LearningSettings()
    policy: PolicySettings = SoftmaxPolicySettings()
    utility: UtilitySettings = NoUtilitySettings()
    constraints: tuple[ConstraintSettings, ...] = ()
    agents: tuple[AgentGroup, ...] = Field(
        (), description="agents of which something else holds than of all: role, incentive, policy, algorithm, utility, signals, radii"
    )
    interventions: tuple[InterventionSettings, ...] = Field((), description="actions that somebody other than the policy chooses")
    episodes: EpisodeSettings | None = Field(
        None, description="agents that are all frozen play the episodes of an evaluation, and keep what they earn in each"
    )
    signals: tuple[SignalSettings, ...] = Field((), description="what agents learn from beside task reward and shadow reward")
    power: PowerSettings = PowerSettings()
    runtime: RuntimeSettings = RuntimeSettings()
    timeouts: Timeouts = Timeouts()
    clock: ClockSettings = LockstepSettings()
    failures: FailureSettings = FailureSettings()
    checkpoints: CheckpointSettings = CheckpointSettings()
    faults: tuple[FaultSettings, ...] = ()
    mute: tuple[MutedKind, ...] = Field(
        (), description="messages that are neither sent nor awaited: a kind at one hop distance (truncated_q@2) or at all (state)"
    )

    @model_validator(mode="after")
    def _credit_fits_radii(self) -> Self:
        if self.learning.credit == "shared_reward" and not self.chooses_radii:
            gradient, critic = self.radius("gradient"), self.radius("critic")
            pairs = [*zip(_spread(gradient, critic), _spread(critic, gradient), strict=False)]
            members = [agent for group in self.agents for agent in group.agents]
            pairs += [(self.radius_of(agent, "gradient"), self.radius_of(agent, "critic")) for agent in members]
            if any(g > c for g, c in pairs):
                raise ValueError("credit shared_reward needs kappa_gradient <= kappa_critic; lower kappa_gradient or use credit shared_q")
        return self

    @model_validator(mode="after")
    def _seats_have_one_radius(self) -> Self:
        if self.chooses_radii and any(group.role == "population" for group in self.agents):
            raise ValueError("kappa: auto gives agents radii of their own, and seats of a population need the same; set the radii")
        return self

    @model_validator(mode="after")
    def _episodes_are_played_by_frozen_agents(self) -> Self:
        if self.episodes is not None and (self.interventions or not self.agents or any(group.role != "frozen" for group in self.agents)):
            raise ValueError("episodes are played by agents that are all frozen, without interventions; leave episodes out to learn")
        return self

    @model_validator(mode="after")
    def _algorithm_fits_policy(self) -> Self:
        _check_fits(self.learning, self.policy, "")
        for number, group in enumerate(self.agents):
            where = f"agents[{number}]"
            try:
                learning, policy = learning_of(self.learning, group), policy_of(self.policy, group)
            except ValueError as error:
                raise ValueError(f"{where}.learning: {error}") from None
            if group.role != "frozen":
                _check_fits(learning, policy, f"{where}.")
        if self.power.variant == "ex_ante" and not self.uses_only_networks:
            raise ValueError("power.variant ex_ante needs policies of kind mlp or gru; tables read realized power")
        return self

    @model_validator(mode="after")
    def _names_are_distinct(self) -> Self:
        check_names(self.signals)
        check_groups(self.agents)
        check_interventions_fit(self.interventions)
        return self

    @model_validator(mode="after")
    def _fits_its_launcher(self) -> Self:
        stated = stated_capabilities(self.runtime.launcher)
        if stated is not None:
            check_capabilities(self, stated)
        return self

    @model_validator(mode="after")
    def _barrier_outlasts_recovery(self) -> Self:
        delay, exchange = self.failures.longest_delay, self.timeouts.seconds("exchange")
        if self.failures.agent == "restart" and delay >= exchange:
            raise ValueError(
                f"failures: the last restart waits {delay:g} s, but the others hold for {exchange:g} s only (timeouts.exchange);"
                " lower failures.delay or failures.restarts, or raise timeouts.exchange"
            )
        answer = self.timeouts.seconds("answer")
        if self.failures.agent != "stop_all" and answer >= exchange:
            raise ValueError(
                f"timeouts: answer {answer:g} s must be below exchange {exchange:g} s, or the others give up before a silent agent is"
                " taken for lost"
            )
        return self

    @model_validator(mode="after")
    def _what_is_exact_stays_exact(self) -> Self:
        tolerant = self.does_without or self.clock != LockstepSettings()
        because = "failures.agent continue_without" if self.does_without else "a clock other than plain lockstep"
        if tolerant and self.routing != "direct":
            raise ValueError(f"{because} needs routing direct: who hands messages on must not be late or lost")
        if tolerant and self.information != "fresh":
            raise ValueError(f"{because} needs information fresh: aged information arrives at exact steps")
        if self.does_without and self.power.variant == "ex_ante":
            raise ValueError("power.variant ex_ante needs what every neighbour intends, which failures.agent continue_without may miss")
        if tolerant and self.power.audit is not None:
            raise ValueError(f"power.audit needs the decision of every agent, which {because} may do without; leave it out")
        return self

    def faults_of(self, agent: int) -> tuple[AgentFault, ...]:
        """The scheduled faults of one agent."""
        return tuple(fault for fault in self.faults if isinstance(fault, AgentFault) and fault.agent == agent)

    def of_agent(self, agent: int) -> AgentSettings:
        """What holds of one agent: what is said of all, and in its place what its group says."""
        return settings_of(self, agent)

    @property
    def uses_networks(self) -> bool:
        """Whether some policies are networks."""
        return any(isinstance(policy, NETWORKS) for policy in self._policies())

    @property
    def uses_only_networks(self) -> bool:
        """Whether all policies are networks."""
        return all(isinstance(policy, NETWORKS) for policy in self._policies())

    def _policies(self) -> list[PolicySettings]:
        return [self.policy, *(policy_of(self.policy, group) for group in self.agents)]

    @property
    def has_shadow_rewards(self) -> bool:
        """Whether some agents have a utility or a constraint beside their task."""
        groups = any(group.utility not in (None, NoUtilitySettings()) or group.constraints for group in self.agents)
        return self.utility != NoUtilitySettings() or bool(self.constraints) or groups

    @property
    def does_without(self) -> bool:
        """Whether an agent goes on without messages of a neighbour that does not answer."""
        return self.failures.agent == "continue_without"

    @property
    def chooses_radii(self) -> bool:
        """Whether a calibration still has to choose radii; afterwards all three are set, one per agent."""
        return self.kappa == "auto" and None in (self.kappa_policy, self.kappa_critic, self.kappa_gradient)

    def radius(self, name: Literal["policy", "critic", "gradient"]) -> Radius:
        """One radius as written: a number for all agents, or one per agent.

        Raises:
            ExperimentError: a calibration has yet to choose it.
        """
        value: Radius | None = getattr(self, f"kappa_{name}")
        if value is not None:
            return value
        if self.kappa == "auto":
            raise ExperimentError(
                "'auto' stands for radii that a calibration chooses when a run begins, and here they are needed before",
                where="kappa",
                fix="let `netagents radii FILE --out NEW.yaml` choose them, and use NEW.yaml",
            )
        return self.kappa

    def radius_of(self, agent: int, name: Literal["policy", "critic", "gradient"]) -> int:
        """One radius of one agent; of one that a list of radii does not have, 0."""
        group = next((group for group in self.agents if agent in group.agents), None)
        own = None if group is None else group.radius(name)
        if own is not None:
            return own
        everyone = self.radius(name)
        return everyone if isinstance(everyone, int) else everyone[agent] if agent < len(everyone) else 0


def check_capabilities(experiment: Experiment, stated: LauncherCapabilities) -> None:
    """Refuse settings that the launcher of an experiment cannot carry out.

    Args:
        experiment: the settings.
        stated: what its launcher states about itself.

    Raises:
        ValueError: names the setting.
    """
    launcher, clock = experiment.runtime.launcher, experiment.clock
    borrowed = [each for each in experiment.interventions if isinstance(each, PolicyIntervention) and each.policy is not None]
    if not stated.own_files and (borrowed or any(group.frozen_policy is not None for group in experiment.agents)):
        where = "containers" if stated.images else "other hosts"
        raise ValueError(
            f"{'interventions' if borrowed else 'agents'}: a policy from a run is read from this machine's files, which {where}"
            " do not see; use another launcher"
        )
    if experiment.runtime.record_inbox and not stated.records_inboxes:
        raise ValueError(f"runtime.record_inbox needs runtime.launcher local, not {launcher}")
    if stated.processes:
        return
    if not (isinstance(clock, LockstepSettings) and isinstance(clock.straggler, WaitSettings)):
        feature = f"clock {clock.kind}" if not isinstance(clock, LockstepSettings) else f"straggler {clock.straggler.kind}"
        raise ValueError(f"{feature} needs processes, which launcher {launcher} does not have; use runtime.launcher local")
    process_faults = [fault.kind for fault in experiment.faults if isinstance(fault, ProcessFault)]
    if process_faults:
        raise ValueError(f"fault {process_faults[0]} strikes a process, and {launcher} has one for all; use runtime.launcher local")


def _check_fits(learning: LearningSettings, policy: PolicySettings, where: str) -> None:
    network, learns_with = isinstance(policy, NETWORKS), learning.algorithm.learns_with
    if network and learns_with == "tables":
        raise ValueError(
            f"{where and where[:-1] + ': '}a policy of kind {policy.kind} learns with learning.algorithm of kind"
            " actor_critic, ppo or maddpg"
        )
    if learns_with == "networks" and not network:
        raise ValueError(f"{where}learning.algorithm of kind {learning.algorithm.kind} needs a policy that is a network, such as kind mlp")


def _spread(radius: Radius, other: Radius) -> tuple[int, ...]:
    if isinstance(radius, tuple):
        return radius
    return (radius,) * (len(other) if isinstance(other, tuple) else 1)
