"""Localized policies: what an agent does, given the local states of the agents within its policy radius."""

from netagents.policies.mixed_radix import MixedRadix
from netagents.policies.policy import Policy, TabularPolicy
from netagents.policies.policy_builder import build_policy
from netagents.policies.softmax_table import SoftmaxTable

__all__ = ["MixedRadix", "Policy", "SoftmaxTable", "TabularPolicy", "build_policy"]
