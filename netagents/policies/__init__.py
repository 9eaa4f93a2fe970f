"""Localized policies: what an agent does, given the local states of the agents within its policy radius."""

from netagents.policies.build import build_policy
from netagents.policies.contract import Policy, TabularPolicy
from netagents.policies.indexing import MixedRadix
from netagents.policies.softmax_table import SoftmaxTable

__all__ = ["MixedRadix", "Policy", "SoftmaxTable", "TabularPolicy", "build_policy"]
