"""A process that executes one notebook: python notebook_process.py NOTEBOOK FOLDER writes FOLDER/executed.ipynb."""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient


def main(path: Path, folder: Path) -> None:
    """Execute a notebook in a folder."""
    book = nbformat.read(path, 4)
    # Over Unix sockets: nobody else on this machine can speak to the kernel.
    manager = AsyncKernelManager(kernel_name="python3", transport="ipc", ip=str(folder / "kernel"))
    NotebookClient(book, timeout=500, km=manager, resources={"metadata": {"path": str(folder)}}).execute()
    nbformat.write(book, folder / "executed.ipynb")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
