"""What is counted on links that have models."""

from __future__ import annotations

LINK_COSTS = (
    "messages",
    "transmissions",
    "resent",
    "acknowledgements",
    "lost",
    "doubled",
    "duplicates",
    "transmissions_bytes",
    "resent_bytes",
    "lost_bytes",
    "duplicates_bytes",
)
"""What is counted on a modelled link: messages given to it; transmissions in all, of them those sent again and those that carry an
acknowledgement alone; transmissions that were lost, and those that arrived twice; duplicates that the receiver dropped; bytes."""
