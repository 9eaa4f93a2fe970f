"""Localized policies: what an agent does, given the local states of the agents within its policy radius."""

from netagents.policies.indexing import MixedRadix
from netagents.policies.softmax_table import SoftmaxTable

__all__ = ["MixedRadix", "SoftmaxTable"]
