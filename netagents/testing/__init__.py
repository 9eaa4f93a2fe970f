"""Conformance checks that users run on their own environments, policies and transports."""

from netagents.testing.environment import EnvironmentWarning, check_environment
from netagents.testing.history import Violation, check_history, read_histories
from netagents.testing.policy import check_policy

__all__ = ["EnvironmentWarning", "Violation", "check_environment", "check_history", "check_policy", "read_histories"]
