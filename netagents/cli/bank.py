"""``netagents bank``: frozen policies of many runs, collected into one folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netagents.cli.trust import TrustOption, announce_run

if TYPE_CHECKING:
    from netagents.learning import Setup
    from netagents.records.bank_creation import Which
    from netagents.records.record_models import BankMember

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Banks of frozen policies: make one, list them, look into one.")


@app.command()
def make(
    bank: Annotated[Path, typer.Argument(metavar="BANK", help="Folder of the new bank.")],
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories: other seeds, lengths or settings of learning.")],
    checkpoints: Annotated[str, typer.Option("--checkpoints", help="Of each run: last, all, or iterations such as 0,9,19.")] = "last",
    untrained: Annotated[bool, typer.Option("--untrained", help="Also the policies with which the first run began.")] = False,
    faulty: Annotated[str, typer.Option("--faulty", help="Also policies that always play one action: 0, or 0,1.")] = "",
    trust: TrustOption = False,
) -> None:
    """Collect the policies of runs into a bank."""
    from netagents.errors import printable
    from netagents.records.bank_creation import make_bank
    from netagents.records.run_directory import RunDirectory
    from netagents.studies.study_specification import parse_whole_numbers

    which: Which = checkpoints if checkpoints in ("last", "all") else parse_whole_numbers(checkpoints, "--checkpoints")  # type: ignore[assignment]
    actions = parse_whole_numbers(faulty, "--faulty") if faulty else ()
    directories = [RunDirectory.open(run, trust) for run in runs]
    for directory in directories:
        announce_run(directory.path, trust)
    made = make_bank(bank, directories, which, untrained=untrained, faulty=actions)
    typer.echo(f"{printable(str(bank))}: {counted(len(made.members))} for {made.manifest.n} agents")
    _print(made.members)


@app.command("list")
def list_banks(folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of banks.")] = Path("banks")) -> None:
    """List the banks in a folder."""
    from netagents.errors import NetagentsError, printable
    from netagents.records.policy_bank import Bank, banks_in

    banks = banks_in(folder)
    for path in banks:
        try:
            bank = Bank.open(path)
            environment = printable(bank.setup.spec.name)
            line = f"{counted(len(bank.members))}, {bank.manifest.n} agents, {environment}, {kinds_of(bank.setup)}"
        except NetagentsError as error:
            line = f"unreadable: {error.what}"
        typer.echo(f"{printable(str(path))}: {line}")
    if not banks:
        typer.echo(f"no banks in {printable(str(folder))}/")


def counted(members: int) -> str:
    """Such as ``1 member`` or ``5 members``."""
    return f"{members} member{'' if members == 1 else 's'}"


def kinds_of(setup: Setup) -> str:
    """The kinds of all agents' policies, each once."""
    return ", ".join(dict.fromkeys(each.policy.kind for each in setup.agents))


@app.command()
def show(
    bank: Annotated[Path, typer.Argument(metavar="BANK", help="A bank.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the members as JSON.")] = False,
) -> None:
    """Show who is in a bank: kind, run, seed, iteration."""
    import json

    from netagents.errors import printable
    from netagents.records.policy_bank import Bank

    opened = Bank.open(bank)
    if as_json:
        typer.echo(json.dumps([member.model_dump(exclude_none=True) for member in opened.members], indent=2))
        return
    setup = opened.setup
    typer.echo(f"{setup.n} agents of {printable(setup.spec.name)}, policies {kinds_of(setup)}, {counted(len(opened.members))}")
    _print(opened.members)


def _print(members: list[BankMember]) -> None:
    from rich.console import Console
    from rich.table import Table

    from netagents.errors import printable

    grid = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("member", "kind", "run", "seed", "iteration"):
        grid.add_column(title, justify="right" if title in ("seed", "iteration") else "left", no_wrap=True)
    for member in members:
        numbers = ("-" if each is None else str(each) for each in (member.seed, member.iteration))
        grid.add_row(member.name, member.kind, printable(member.run) or "-", *numbers)
    Console(markup=False).print(grid)
