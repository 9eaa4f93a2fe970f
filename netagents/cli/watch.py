"""``netagents watch``: a page in the browser that shows runs and studies while they go on, and afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)

PORT = 8702


@app.command()
def watch(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RUN]...", help="Run directories, study directories, or folders of either. Default: runs/, the newest first."
        ),
    ] = None,
    listen: Annotated[
        str | None, typer.Option("--listen", metavar="HOST:PORT", help=f"Default: 127.0.0.1:{PORT}, or a free port where that is taken.")
    ] = None,
    token: Annotated[bool, typer.Option("--token", help="Visitors need a token, which is printed as part of the address.")] = False,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in this machine's browser.")] = False,
    with_parent: Annotated[bool, typer.Option("--end-with-parent", hidden=True)] = False,
) -> None:
    """Show runs and studies on a page at this machine's own address, while they go on and afterwards; Ctrl-C ends it, and no run."""
    import os

    from netagents.cli.locate import DEFAULT_FOLDER
    from netagents.errors import RunDirectoryError, UsageError, printable
    from netagents.monitoring.feed.run_catalog import RunCatalog
    from netagents.monitoring.page.page_server import check_dashboard, page_address, serve_page

    check_dashboard()
    sources = paths or [DEFAULT_FOLDER]
    for path in paths or []:
        if not path.is_dir():
            fix = "name a run directory, a study directory, or a folder of either"
            raise RunDirectoryError("no such folder", where=printable(str(path)), fix=fix)
    parent = os.getppid()

    def ready(address: str) -> None:
        typer.echo(f"the page is at {address}  (Ctrl-C ends it; runs are not touched)" if not with_parent else address)
        if open_browser:
            import webbrowser

            webbrowser.open(address)

    def serve(words: str) -> None:
        serve_page(RunCatalog(sources), page_address(words, token), ready, (lambda: os.getppid() != parent) if with_parent else None)

    if listen is not None:
        serve(listen)
        return
    try:
        serve(f"127.0.0.1:{PORT}")
    except UsageError:
        serve("127.0.0.1:0")
