"""Power and price over numbers of agents and over the dial of incentives: ``python -m benchmarks.power_settings`` trains RELY without
the power term and with it, and writes ``docs/power/rely_settings.csv``; ``--seeds 5``, ``agents``, ``dial`` or ``serving`` and
``--values 8`` say how much of it.  Other rows stay.

All numbers are exact, of the policies that each seed ends with.  On the dial agent i is paid (1 - alpha) r_i + alpha (mean of all r_j) and
climbs that alone (``kappa_gradient: 0``); return and power are of the task, whatever agents are paid.  ``serving`` is the dial with hubs
that serve in 98 % of the steps of the first 60 iterations whatever their policies say, and are left to themselves when the price begins.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

from netagents.intervals import run_interval

DATA = Path(__file__).parent.parent / "docs" / "power" / "rely_settings.csv"
FILE, PRICE = "launch/rely_power.yaml", 0.05
AGENTS = (4, 6, 8, 10)
DIAL = (-0.5, 0.0, 1.0)
SERVING = (
    'interventions=[{"kind": "fixed", "agents": [0, 1], "action": 0, "probability": 0.98, "until": 60}]',
    "learning.iterations=120",
    "signals.0.start=60",
)


def cases(which: str) -> list[tuple[str, float, list[str]]]:
    """What is varied, its value, and the overrides."""
    many = [("agents", float(n), [f"topology.n={n}"]) for n in AGENTS]
    paid = [
        (
            "dial",
            alpha,
            ["kappa_gradient=0", f"agents={json.dumps([{'agents': list(range(6)), 'incentive': {'kind': 'alpha', 'alpha': alpha}}])}"],
        )
        for alpha in DIAL
    ]
    served = [("serving", alpha, [*overrides, *SERVING]) for _, alpha, overrides in paid]
    return {"agents": many, "dial": paid, "serving": served, "all": [*many, *paid, *served]}[which]


def row(varied: str, value: float, overrides: list[str], seeds: int) -> dict[str, Any]:
    """One line of the table: interquartile means over seeds and their intervals."""
    from netagents.studies.regularization_claims import exact_outcomes

    outcomes = exact_outcomes(FILE, overrides, PRICE, seeds)
    samples = {
        "return_without": [plain.task for plain, _ in outcomes],
        "return_with": [priced.task for _, priced in outcomes],
        "return_kept": [priced.task / plain.task for plain, priced in outcomes],
        "power_without": [plain.power for plain, _ in outcomes],
        "power_with": [priced.power for _, priced in outcomes],
        "power_left": [priced.power / plain.power for plain, priced in outcomes],
        "deviations_without": [plain.deviations for plain, _ in outcomes],
        "deviations_with": [priced.deviations for _, priced in outcomes],
    }
    row: dict[str, Any] = {"varied": varied, "value": value, "lambda": PRICE, "n": seeds}
    for name, each in samples.items():
        middle, low, high, _ = run_interval(each)
        row |= {name: middle, f"{name}_low": low, f"{name}_high": high}
    return row


def main() -> None:
    """Train, compute, print, and write what was asked for; rows of the other kind stay."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.power_settings", description="RELY over agents and incentives.")
    parser.add_argument("which", nargs="?", choices=("agents", "dial", "serving", "all"), default="all")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--values", type=float, nargs="*", help="of what is varied; default: all")
    arguments = parser.parse_args()
    rows: dict[tuple[str, float], dict[str, Any]] = {}
    if DATA.exists():
        with DATA.open(newline="") as file:
            rows = {(each["varied"], float(each["value"])): dict(each) for each in csv.DictReader(file)}
    for varied, value, overrides in cases(arguments.which):
        if arguments.values and value not in arguments.values:
            continue
        measured = row(varied, value, overrides, arguments.seeds)
        rows[varied, value] = measured
        print(" ".join(f"{name}={each:.4g}" if isinstance(each, float) else f"{each}" for name, each in measured.items()), flush=True)
        with DATA.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(measured))
            writer.writeheader()
            writer.writerows(rows[key] for key in sorted(rows))


if __name__ == "__main__":
    main()
