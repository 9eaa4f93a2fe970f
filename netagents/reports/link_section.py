"""What bad links cost: the section of the report."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from netagents.messages import LINK_COSTS, node_name
from netagents.records import Run
from netagents.records.recorded_link_costs import total_costs
from netagents.reports.html import html, section, table
from netagents.reports.power_picture import percent
from netagents.reports.summary import byte_size

_MOST_LINKS = 60


def link_section(run: Run) -> Markup:
    """A table of the links, those that had to repeat most first; empty where no link had a model."""
    costs = run.link_costs
    total = total_costs(costs)
    if not total["messages"]:
        return Markup("")
    heads = (
        "link",
        "messages",
        "transmissions",
        "sent again",
        "acknowledgements alone",
        "lost",
        "arrived twice",
        "duplicates dropped",
        "bytes",
        "bytes again",
        "bytes lost",
    )
    names = (*LINK_COSTS[:7], "transmissions_bytes", "resent_bytes", "lost_bytes")
    order = np.lexsort((costs["receiver"], costs["sender"], -costs["resent"]))[:_MOST_LINKS].tolist()
    rows = [(Markup("<b>all</b>"), *(_cell(name, total[name]) for name in names))]
    rows += [
        (
            html("{} &rarr; {}", node_name(int(costs["sender"][at])), node_name(int(costs["receiver"][at]))),
            *(_cell(name, int(costs[name][at])) for name in names),
        )
        for at in order
    ]
    share = total["lost"] / total["transmissions"]
    caption = (
        f"Links had models: {percent(share)} of {total['transmissions']:,} transmissions were lost. Every message was sent "
        f"{(total['messages'] + total['resent']) / total['messages']:.2f} times on average; duplicates were dropped on arrival. "
        "Bytes are those of transmissions with headers, lost ones included."
    )
    if costs.rows > _MOST_LINKS:
        caption += f" The {_MOST_LINKS} links of {costs.rows} that had to repeat most; all are in tables/link_costs.parquet."
    return section("What bad links cost", table(heads, rows), caption=caption, wide=True)


def _cell(name: str, count: int) -> str:
    return byte_size(count) if name.endswith("_bytes") else f"{count:,}"
