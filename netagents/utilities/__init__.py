"""General utilities of the local occupancy, their gradients (the shadow rewards), and constraints made of them."""

from netagents.utilities.constraints import Constraint, build_constraints
from netagents.utilities.gradient_check import gradient_error
from netagents.utilities.utility import Utility, UtilityBounds, UtilityDiagnostics
from netagents.utilities.utility_builder import build_utility, check_agents

__all__ = [
    "Constraint",
    "Utility",
    "UtilityBounds",
    "UtilityDiagnostics",
    "build_constraints",
    "build_utility",
    "check_agents",
    "gradient_error",
]
