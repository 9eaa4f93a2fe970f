"""Conformance checks that users run on their own environments, policies and transports."""

from netagents.testing.environment import check_environment
from netagents.testing.policy import check_policy

__all__ = ["check_environment", "check_policy"]
