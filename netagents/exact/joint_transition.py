"""The joint transition under a policy, without summing over all joint actions.

P_pi(s'|s) = sum_a prod_j pi_j(a_j|s) prod_i P_i(s_i'|s, a_scope(i)) is a sum of products of small factors.  Actions are summed out one
at a time (variable elimination): summing out a_j multiplies only the factors in which a_j occurs.  When each agent's next state
depends on its own action alone, every elimination touches two factors and what remains is the product of the agents' marginals:
sum_j |A_j| terms per entry instead of prod_j |A_j|.  When neighbours' actions collide (wireless access), eliminating an action joins
the next states of those it reaches, and the cost grows with the width of the graph, not with the number of agents.
"""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import NDArray

from netagents.exact.contraction import Labelled, contract
from netagents.exact.joint_model import BATCH, JointModel

FloatArray = NDArray[np.float64]


def joint_transition(model: JointModel, probabilities: list[FloatArray]) -> FloatArray:
    """P_pi(s'|s), ``(S, S)``.

    Args:
        probabilities: pi_i(a_i|s) of every agent, ``(S, |A_i|)``.
    """
    order, widest = elimination_order(model)
    result = np.empty((model.S, model.S))
    axes = [BATCH, *(model.next_label(i) for i in range(model.n))]
    for block in model.blocks(widest):
        factors: list[Labelled] = [(model.factor_labels(i), model.factor(i, block)) for i in range(model.n)]
        factors += [([BATCH, model.action_label(j)], probabilities[j][block]) for j in range(model.n)]
        for j in order:
            label = model.action_label(j)
            touched = [factor for factor in factors if label in factor[0]]
            factors = [factor for factor in factors if label not in factor[0]]
            labels = [BATCH, *sorted({x for names, _ in touched for x in names} - {BATCH, label})]
            factors.append((labels, contract(touched, labels)))
        # A policy's own sum (1) remains of an action that moves nobody.
        factors.sort(key=lambda factor: factor[1].size)
        labels, table = list(factors[0][0]), factors[0][1]
        for names, other in factors[1:]:
            joined = [BATCH, *sorted({*labels, *names} - {BATCH})]
            table = contract([(labels, table), (names, other)], joined)
            labels = joined
        result[block] = contract([(labels, table)], axes).reshape(-1, model.S)
    return result


def elimination_order(model: JointModel) -> tuple[list[int], int]:
    """A greedy order (smallest new factor first) and the entries per joint state of the largest table that it makes."""
    scopes = [set(model.factor_labels(i)) - {BATCH} for i in range(model.n)]
    scopes += [{model.action_label(j)} for j in range(model.n)]
    remaining = list(range(model.n))
    order, widest = [], model.S

    def union(j: int) -> set[int]:
        return set[int]().union(*(scope for scope in scopes if model.action_label(j) in scope))

    while remaining:
        sizes = {j: prod(model.label_size(x) for x in union(j)) for j in remaining}
        best = min(remaining, key=lambda j: (sizes[j] // model.action_sizes[j], j))
        widest = max(widest, sizes[best] // model.action_sizes[best])
        label = model.action_label(best)
        made = union(best) - {label}
        scopes = [scope for scope in scopes if label not in scope] + [made]
        order.append(best)
        remaining.remove(best)
    return order, widest
