"""``netagents reproduce``: check what the project claims about the papers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def reproduce(
    claim: Annotated[str | None, typer.Argument(metavar="[ID]", help="A claim of docs/claims.yaml. Default: all.")] = None,
    tier: Annotated[str | None, typer.Option("--tier", help="smoke or full: check all claims of it.")] = None,
    registry: Annotated[Path | None, typer.Option("--registry", help="Another registry of claims.")] = None,
) -> None:
    """Check a claim about the papers: the number it rests on, now, against what was recorded."""
    from netagents.errors import UsageError
    from netagents.studies.claims import find_claim, read_claims, registry_path
    from netagents.studies.claims import reproduce as check

    if tier not in (None, "smoke", "full"):
        raise UsageError(f"there is no tier '{tier}'", where="--tier", fix="choose smoke or full")
    path = registry or registry_path()
    claims = read_claims(path)
    selection = [find_claim(claims, claim)] if claim else [each for each in claims if tier is None or each.tier == tier]
    changed = []
    for each in selection:
        value, verdict = check(each)
        agreement = "as recorded" if verdict == each.verdict else f"BUT RECORDED AS {each.verdict}"
        number = f"{value:.6g}" if isinstance(value, float) else value.text(number=lambda edge: f"{edge:.4g}")
        typer.echo(f"{each.id}: {verdict}, {agreement}: {number}, the statement says {each.words()}")
        if verdict != each.verdict:
            changed.append(each.id)
    if changed:
        typer.echo(f"{len(changed)} of {len(selection)} came out other than recorded: {', '.join(changed)}", err=True)
        raise typer.Exit(1)
