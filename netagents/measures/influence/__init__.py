"""Measures of influence: how much an agent's return depends on which policy another agent plays (arXiv 2310.07218)."""

from netagents.measures.influence.allocation_rank import AllocationRank, RankInterval, rank_among_all, rank_with_interval
from netagents.measures.influence.allocation_rules import (
    PUBLISHED_SIZES,
    Allocation,
    allocate_by_gain,
    allocate_by_ranks,
    allocate_published,
    diversity_gains,
)
from netagents.measures.influence.estimator import Estimator, InfluenceEstimate
from netagents.measures.influence.false_discovery import Discoveries, control_false_discoveries
from netagents.measures.influence.group_influence import AgentEstimates, GroupInfluence, group_influence
from netagents.measures.influence.histogram_information import PluginHistogram, QuantileHistogram
from netagents.measures.influence.hop_decay import HopDecay, hop_decay
from netagents.measures.influence.influence_matrix import InfluenceMatrix, estimate_influence, influence_matrix
from netagents.measures.influence.influence_warnings import (
    bank_warning,
    matrix_warnings,
    null_warning,
    policy_distances,
    scenario_warning,
    seed_warning,
)
from netagents.measures.influence.nearest_neighbour_information import NearestNeighbours
from netagents.measures.influence.related_measures import causal_influence, gradient_overlap, transfer_entropy
from netagents.measures.influence.return_checks import check_returns, check_sizes
from netagents.measures.influence.training_conditions import TrainingCondition, fictitious_co_play, population_conditions
from netagents.measures.influence.variance_share import VarianceInformation, VarianceShare

__all__ = [
    "PUBLISHED_SIZES",
    "AgentEstimates",
    "Allocation",
    "AllocationRank",
    "Discoveries",
    "Estimator",
    "GroupInfluence",
    "HopDecay",
    "InfluenceEstimate",
    "InfluenceMatrix",
    "NearestNeighbours",
    "PluginHistogram",
    "QuantileHistogram",
    "RankInterval",
    "TrainingCondition",
    "VarianceInformation",
    "VarianceShare",
    "allocate_by_gain",
    "allocate_by_ranks",
    "allocate_published",
    "bank_warning",
    "causal_influence",
    "check_returns",
    "check_sizes",
    "control_false_discoveries",
    "diversity_gains",
    "estimate_influence",
    "fictitious_co_play",
    "gradient_overlap",
    "group_influence",
    "hop_decay",
    "influence_matrix",
    "matrix_warnings",
    "null_warning",
    "policy_distances",
    "population_conditions",
    "rank_among_all",
    "rank_with_interval",
    "scenario_warning",
    "seed_warning",
    "transfer_entropy",
]
