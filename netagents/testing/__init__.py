"""Conformance checks that users run on their own environments, policies and transports."""

from netagents.testing.delivery_history import Violation, check_history, read_histories
from netagents.testing.environment_conformance import EnvironmentWarning, check_environment
from netagents.testing.policy_conformance import check_policy

__all__ = ["EnvironmentWarning", "Violation", "check_environment", "check_history", "check_policy", "read_histories"]
