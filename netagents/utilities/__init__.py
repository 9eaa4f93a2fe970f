"""General utilities of the local occupancy, their gradients (the shadow rewards), and constraints made of them."""

from netagents.utilities.build import build_utility, check_agents
from netagents.utilities.constraints import Constraint, build_constraints
from netagents.utilities.contract import Utility, UtilityBounds, UtilityDiagnostics
from netagents.utilities.verification import gradient_error

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
