"""Checks of what an audit of power needs: an environment that can go on from any state, policies that a state is enough for, and agents."""

from __future__ import annotations

from netagents.errors import EnvironmentMismatchError, ExperimentError
from netagents.learning.protocol.information_age import is_aged
from netagents.learning.protocol.setup import Setup


def check_branchable(setup: Setup) -> None:
    """Refuse what cannot be branched.

    Raises:
        EnvironmentMismatchError: the environment cannot go on from an earlier state, or policies read what happened before it.
    """
    name = setup.spec.name
    if not setup.spec.capabilities.branchable:
        raise EnvironmentMismatchError(
            f"environment '{name}' keeps its state to itself, so it cannot be branched", fix="power audits need a pure environment"
        )
    if is_aged(setup):
        raise EnvironmentMismatchError(
            "policies read aged information, which a state alone does not hold",
            where="information",
            fix="use a run with information: fresh",
        )


def check_audit(setup: Setup) -> None:
    """Refuse audits during a run that could not be carried out, before anything is started.

    Raises:
        EnvironmentMismatchError: as :func:`check_branchable`, or an agent has too many actions to try them all.
        ExperimentError: an agent whose power is to be audited does not exist.
    """
    audit = setup.experiment.power.audit
    if audit is None:
        return
    beyond = max(audit.holders or (0,))
    if beyond >= setup.n:
        raise ExperimentError(f"there is no agent {beyond}", where="power.audit.holders", fix=f"agents are 0 to {setup.n - 1}")
    try:
        check_branchable(setup)
    except EnvironmentMismatchError as error:
        raise EnvironmentMismatchError(error.what, where="power.audit", fix=f"{error.fix}; leave power.audit out") from None
    if setup.branch_plan is None:
        raise AssertionError("there is a plan wherever there are audits")
