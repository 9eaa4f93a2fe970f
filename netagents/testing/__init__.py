"""Conformance checks that users run on their own environments, policies and transports."""

from netagents.testing.environment import check_environment

__all__ = ["check_environment"]
