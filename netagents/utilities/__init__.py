"""General utilities of the local occupancy and their gradients, the shadow rewards."""

from netagents.utilities.build import build_utility
from netagents.utilities.contract import Utility, UtilityBounds, UtilityDiagnostics

__all__ = ["Utility", "UtilityBounds", "UtilityDiagnostics", "build_utility"]
