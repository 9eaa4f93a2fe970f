"""The section on chosen radii of a run's report: who matters to whom, and how far each agent listens because of that."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from netagents.records import Run
from netagents.records.radii_models import RadiiFacts
from netagents.reports.html import html, section, short, table

_MEANS = {"influence": "influence, in nats", "power": "power", "random": "a random number"}


def radii_section(run: Run) -> Markup:
    """What the calibration of ``kappa: auto`` measured and chose; nothing where the experiment set the radii."""
    facts = run.chosen_radii
    if facts is None:
        return Markup("")
    return section("Radii that were chosen", _map(run, facts), _radii(run, facts), caption=_sentence(facts))


def _sentence(facts: RadiiFacts) -> str:
    share = facts.bytes_chosen / facts.bytes_largest if facts.bytes_largest else 0.0
    sentence = (
        f"Chosen by {facts.by}: {share:.0%} of the payload that agents would send each other with radius {facts.largest} "
        f"({facts.byte_budget:.0%} allowed). The calibration trained {facts.iterations} iterations with that radius first."
    )
    if facts.by != "influence":
        return sentence
    return (
        f"{sentence} Influence over K = {len(facts.members)} policies and M = {facts.repetitions} episodes; {facts.significant} pairs are "
        "significant and count by themselves, the others as the mean of such pairs as far apart."
    )


def _map(run: Run, facts: RadiiFacts) -> Markup:
    if not facts.pairs:
        return html("<p>{}</p>", "All agents get the same radii.")
    # That page reads measurements, which a report of a run does without.
    from netagents.reports.influence_page import square_map

    pairs = np.array(facts.pairs)
    np.fill_diagonal(pairs, np.nan)
    hops = np.array(run.topology.hops.matrix())
    unheard = hops > np.array(facts.critic)[None, :]
    caption = html(
        '<p class="say">{}</p>', f"How much j (row) matters to i (column): {_MEANS[facts.by]}. Crossed out: beyond the critic radius of i."
    )
    return Markup("<div>{}{}</div>").format(caption, square_map(pairs, run.topology.labels, f"{facts.by} of agent j", unheard))


def _radii(run: Run, facts: RadiiFacts) -> Markup:
    rows = []
    for agent, name in enumerate(run.topology.labels):
        sums = (short(sum(row[agent] for row in facts.pairs)), short(sum(facts.pairs[agent]))) if facts.pairs else ("-", "-")
        rows.append((name, str(facts.policy[agent]), str(facts.critic[agent]), str(facts.gradient[agent]), *sums))
    return table(("agent", "policy", "critic", "gradient", "others on it", "it on others"), rows)
