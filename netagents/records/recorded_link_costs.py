"""What modelled links cost a run, from the accounts that its writers left among the events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from netagents.messages import LINK_COSTS
from netagents.records.column_table import ColumnTable


def link_costs(events: Iterable[Mapping[str, Any]]) -> ColumnTable:
    """One row per directed link that had a model: sender, receiver (-1 is the environment server) and the counts of
    :data:`netagents.messages.LINK_COSTS`; those of a run that was resumed are added up.  Empty without models of links.
    """
    links: dict[tuple[int, int], dict[str, int]] = {}
    for event in events:
        if event.get("event") == "links":
            for sender, receiver, *counts in event["rows"]:
                row = links.setdefault((int(sender), int(receiver)), dict.fromkeys(LINK_COSTS, 0))
                for name, count in zip(event["columns"], counts, strict=True):
                    # A later version may count more.
                    if name in row:
                        row[name] += int(count)
    ordered = sorted(links)
    columns = {end: np.array([link[place] for link in ordered], np.int64) for place, end in enumerate(("sender", "receiver"))}
    return ColumnTable(columns | {name: np.array([links[link][name] for link in ordered], np.int64) for name in LINK_COSTS})


def total_costs(costs: ColumnTable) -> dict[str, int]:
    """The counts of all links together."""
    return {name: int(costs[name].sum()) for name in LINK_COSTS}
