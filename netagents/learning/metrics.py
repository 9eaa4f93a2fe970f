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
)
"""Names of :attr:`netagents.messages.Report.metrics`:

return: mean over copies of the undiscounted sum of own task rewards.
discounted_return: the same, discounted.
utility: f_i at the sampled occupancy.
objective: task_weight * discounted_return + utility, what the agent's share of F is made of.
gradient_sq: squared norm of the estimated truncated gradient.
policy_entropy: mean over contexts visited of the entropy of the action distribution, in nats.
bounded_logits: share of logits that lie on the bound theta_max after the update.
shadow_max: largest absolute shadow reward.
td_change: root mean square of the last TD sweep's change (learning critic).
critic_entries: entries of the critic visited so far.
critic_evicted: entries that were forgotten to stay within the limit.
"""
