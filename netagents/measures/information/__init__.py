"""Measures of the information between what an agent knows and what it does: bounds, exact values, training of learned models."""

from netagents.measures.information.conditional_model import (
    LOG_FLOOR,
    CategoricalConditional,
    ConditionalModel,
    GaussianConditional,
    log_softmax,
)
from netagents.measures.information.conditional_trainer import ConditionalSettings, ConditionalTrainer, FitReport
from netagents.measures.information.contrastive_bounds import (
    Estimate,
    club_estimate,
    club_sampled_values,
    club_values,
    contrastive_values,
    leave_one_out_values,
    sample_estimate,
    variational_values,
)
from netagents.measures.information.exact_information import ExactInformation, exact_information
from netagents.measures.information.gaussian_information import MomentBound, PairBounds, moment_bound, pair_bounds, sampled_information
from netagents.measures.information.information_interval import InformationInterval, information_interval, likelihood_gain
from netagents.measures.information.information_penalty import (
    PUBLISHED_STEPS,
    RELEASED_STEPS,
    exact_densities,
    exact_gaussian_densities,
    exact_gaussian_values,
    exact_values,
    published_values,
    released_inputs,
    released_labels,
    released_values,
)
from netagents.measures.information.message_information import MessageInformation, Received, message_information
from netagents.measures.information.reference_information import CorrelatedGaussians, EnumeratedInformation, enumerate_information

__all__ = [
    "LOG_FLOOR",
    "PUBLISHED_STEPS",
    "RELEASED_STEPS",
    "CategoricalConditional",
    "ConditionalModel",
    "ConditionalSettings",
    "ConditionalTrainer",
    "CorrelatedGaussians",
    "EnumeratedInformation",
    "Estimate",
    "ExactInformation",
    "FitReport",
    "GaussianConditional",
    "InformationInterval",
    "MessageInformation",
    "MomentBound",
    "PairBounds",
    "Received",
    "club_estimate",
    "club_sampled_values",
    "club_values",
    "contrastive_values",
    "enumerate_information",
    "exact_densities",
    "exact_gaussian_densities",
    "exact_gaussian_values",
    "exact_information",
    "exact_values",
    "information_interval",
    "leave_one_out_values",
    "likelihood_gain",
    "log_softmax",
    "message_information",
    "moment_bound",
    "pair_bounds",
    "published_values",
    "released_inputs",
    "released_labels",
    "released_values",
    "sample_estimate",
    "sampled_information",
    "variational_values",
]
