"""Command that writes the generated pages of ``docs/``: ``python -m tools.doc_pages``, from the root of the checkout.

With ``--check`` it only says which pages are out of date, and ends with 1 if there are any.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.doc_pages.pages import outdated, write


def main(arguments: Sequence[str]) -> int:
    """Write or check ``docs/`` of the current directory; 1 if a check finds a page out of date."""
    parser = argparse.ArgumentParser(prog="python -m tools.doc_pages", description="Write the generated pages of docs/.")
    parser.add_argument("--check", action="store_true", help="only say which pages are out of date")
    check, directory = parser.parse_args(arguments).check, Path("docs")
    if not directory.is_dir():
        parser.error("there is no docs/ here; go to the root of the checkout")
    names = outdated(directory) if check else write(directory)
    text = "docs/{} is out of date; run `make docs`" if check else "wrote docs/{}"
    print("\n".join(text.format(name) for name in names) or "the generated pages are up to date")
    return 1 if check and names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
