"""Exact values of small models by linear algebra: the oracle that every estimate is checked against."""

from netagents.exact.best_response import BestResponse, best_response, deviating, observed_policy
from netagents.exact.constrained_ascent import ConstrainedAscent, constrained_ascent, violations
from netagents.exact.coupling import Coupling, Sensitivity, certificates, coupling, local_sensitivity, refined_certificates
from netagents.exact.decay import CriticError, decay_rate, reading_error, split_error, truncation_error
from netagents.exact.exact_power import calibrate_power, k_step_power, persistent_power, power_matrices, truncated_power
from netagents.exact.exact_values import ExactValues
from netagents.exact.experiment_tables import exact_experiment
from netagents.exact.gradient_ascent import Ascent, exact_ascent
from netagents.exact.joint_model import JointModel
from netagents.exact.joint_policy import JointPolicy, joint_policy_of, softmax_policy, uniform_policy
from netagents.exact.oracle_tables import ExactTable, ExactTables, exact_tables
from netagents.exact.power_regularization import Regularization, adversarial_values, regularized_values, single_deviation_values
from netagents.exact.power_responses import pure_equilibria, regularized_response, response_dynamics, response_gaps
from netagents.exact.team_objective import exact_gradient, learning_signals, objective, policy_gradient
from netagents.exact.truncated_gradient import compare_gradients, truncated_critics, truncated_gradient
from netagents.exact.truncation import Truncated, conditional_mean, fixed_point, placeholder, truncate, windows

__all__ = [
    "Ascent",
    "BestResponse",
    "ConstrainedAscent",
    "Coupling",
    "CriticError",
    "ExactTable",
    "ExactTables",
    "ExactValues",
    "JointModel",
    "JointPolicy",
    "Regularization",
    "Sensitivity",
    "Truncated",
    "adversarial_values",
    "best_response",
    "calibrate_power",
    "certificates",
    "compare_gradients",
    "conditional_mean",
    "constrained_ascent",
    "coupling",
    "decay_rate",
    "deviating",
    "exact_ascent",
    "exact_experiment",
    "exact_gradient",
    "exact_tables",
    "fixed_point",
    "joint_policy_of",
    "k_step_power",
    "learning_signals",
    "local_sensitivity",
    "objective",
    "observed_policy",
    "persistent_power",
    "placeholder",
    "policy_gradient",
    "power_matrices",
    "pure_equilibria",
    "reading_error",
    "refined_certificates",
    "regularized_response",
    "regularized_values",
    "response_dynamics",
    "response_gaps",
    "single_deviation_values",
    "softmax_policy",
    "split_error",
    "truncate",
    "truncated_critics",
    "truncated_gradient",
    "truncated_power",
    "truncation_error",
    "uniform_policy",
    "violations",
    "windows",
]
