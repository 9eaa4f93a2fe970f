"""The table of commands: name to module.  A module offers ``app``, a :class:`typer.Typer` with one command or a group.

Modules are imported by every ``netagents --help``, so they import typer and the standard library only, and everything
else inside their functions.
"""

from __future__ import annotations

COMMANDS: dict[str, str] = {
    "run": "netagents.cli.run",
    "resume": "netagents.cli.resume",
    "play": "netagents.cli.play",
    "replay": "netagents.cli.replay",
    "config": "netagents.cli.config",
    "exact": "netagents.cli.exact",
    "study": "netagents.cli.study",
    "plan": "netagents.cli.plan",
    "reproduce": "netagents.cli.reproduce",
    "clean": "netagents.cli.clean",
    "node": "netagents.cli.node",
    "keys": "netagents.cli.keys",
    "compose": "netagents.cli.compose",
    "script": "netagents.cli.script",
    "health": "netagents.cli.health",
    "report": "netagents.cli.report",
    "watch": "netagents.cli.watch",
    "runs": "netagents.cli.runs",
    "logs": "netagents.cli.logs",
    "evaluate": "netagents.cli.evaluate",
    "attack": "netagents.cli.attack",
    "bank": "netagents.cli.bank",
    "influence": "netagents.cli.influence",
    "allocate": "netagents.cli.allocate",
    "radii": "netagents.cli.radii",
    "power": "netagents.cli.power",
    "compare": "netagents.cli.compare",
    "doctor": "netagents.cli.doctor",
    "topology": "netagents.cli.topology",
}
"""In the order of the help page."""
