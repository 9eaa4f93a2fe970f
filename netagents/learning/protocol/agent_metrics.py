"""The numbers an agent reports after each iteration, in the order in which they travel."""

from __future__ import annotations

METRICS = (
    "return",
    "discounted_return",
    "utility",
    "objective",
    "gradient_sq",
    "policy_entropy",
    "bounded_logits",
    "shadow_max",
    "td_change",
    "critic_entries",
    "critic_evicted",
    "critic_unevaluated",
    "lipschitz",
    "floor_sensitivity",
    "multiplier",
    "violation",
    "step_size",
)
"""Names of :attr:`netagents.messages.Report.metrics`:

return: mean over copies of the undiscounted sum of own task rewards.
discounted_return: the same, discounted.
utility: f_i at the sampled occupancy.
objective: task_weight * discounted_return + utility, what the agent's share of F is made of.
gradient_sq: squared norm of the estimated truncated gradient, before clipping.
policy_entropy: mean over contexts visited of the entropy of the action distribution, in nats.
bounded_logits: share of logits that lie on the bound theta_max after the update.
shadow_max: largest absolute shadow reward, constraints included.
td_change: root mean square of the last TD sweep's change (learning critic); NaN for least squares.
critic_entries: entries of the critic visited so far.
critic_evicted: entries that were forgotten to stay within the limit.
critic_unevaluated: share of the batch's steps whose keys the critic has never evaluated and that take their sampled value; 0 unless
    evaluation is fresh.
lipschitz: largest change of the shadow reward per change of the occupancy since the last iteration; NaN for a pure task.
floor_sensitivity: relative change of the shadow reward when its floor is halved; NaN for a pure task.
multiplier: sum of the multipliers of the agent's constraints; NaN without constraints.
violation: largest c - g(lambda) over its constraints, negative when all hold; NaN without constraints.
step_size: eta of this iteration.
"""
