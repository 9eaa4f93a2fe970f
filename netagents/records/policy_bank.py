"""Banks of frozen policies: a folder with a manifest, and for each member the policies of all agents as verified arrays.

A bank has the settings, graph and environment facts of the first run that went into it, so that what its policies read and do can be
compared with any other run.  Nothing in it is executed: members are arrays, which are loaded into policies that the user's own
settings describe.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from netagents.errors import RunDirectoryError, printable
from netagents.learning import Setup
from netagents.records.checkpoint import checkpoints, load_checkpoint
from netagents.records.record_files import RECORDS, checked
from netagents.records.record_models import BankManifest, BankMember
from netagents.records.regular_files import read_regular
from netagents.records.run_directory import RunDirectory

BANK = "bank.json"
MEMBERS = "members"
BANK_FORMAT = 1

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Bank:
    """An existing bank.

    Attributes:
        path: its folder.
        manifest: n, graph digest, and the members in order.
    """

    path: Path
    manifest: BankManifest

    @classmethod
    def open(cls, path: Path) -> Bank:
        """Open the bank in a folder.

        Raises:
            RunDirectoryError: there is none, it is damaged, or another format version wrote it.
        """
        file = path / BANK
        if not path.is_dir() or not file.exists():
            raise RunDirectoryError("is no bank of policies", where=str(path), fix="make one with `netagents bank make BANK RUN...`")
        manifest = checked(read_regular(file, RECORDS[BANK].bytes(1)), BankManifest, None, str(file))
        return cls(path, manifest)

    @property
    def members(self) -> list[BankMember]:
        """The members in order."""
        return self.manifest.members

    @property
    def names(self) -> list[str]:
        """Their names."""
        return [member.name for member in self.members]

    @cached_property
    def setup(self) -> Setup:
        """Settings, graph and environment facts of the first run that went into it; imports nothing.

        Raises:
            RunDirectoryError: a file is missing or damaged.
        """
        return RunDirectory(self.path, {"n": self.manifest.n, "graph_digest": self.manifest.graph_digest}).setup()

    def member(self, name: str) -> BankMember:
        """The member of a name.

        Raises:
            RunDirectoryError: there is none.
        """
        for member in self.members:
            if member.name == name:
                return member
        raise RunDirectoryError(
            f"no member is called '{printable(name)}'",
            where=str(self.path),
            fix=f"its members are {', '.join(self.names[:8])}{' ...' if len(self.names) > 8 else ''}",
        )

    def arrays(self, name: str, agents: set[int] | None = None) -> dict[int, Arrays]:
        """Parameters and statistics of a member's policies, by agent, with the names that checkpoints give them; all verified.

        Args:
            name: of the member.
            agents: only these (default: all).

        Raises:
            RunDirectoryError: there is no such member, or a file of it is missing or damaged.
        """
        folder = self.path / MEMBERS / self.member(name).name
        saved = checkpoints(folder)
        if len(saved) != 1:
            raise RunDirectoryError("its policies are missing", where=str(folder), fix="make the bank again")
        try:
            return load_checkpoint(next(iter(saved.values())), set(range(self.manifest.n)) if agents is None else agents)
        except RunDirectoryError as error:
            raise RunDirectoryError(error.what, where=error.where, fix="make the bank again") from error

    def verify(self) -> None:
        """Read every array of every member once.

        Raises:
            RunDirectoryError: a file is missing or damaged; names it.
        """
        for name in self.names:
            self.arrays(name)


def banks_in(parent: Path) -> list[Path]:
    """The folders below ``parent`` that are banks, by name; ``parent`` itself where it is one."""
    if (parent / BANK).exists():
        return [parent]
    if not parent.is_dir():
        raise RunDirectoryError("no such folder", where=str(parent), fix="name a folder of banks, or make one")
    return sorted(path for path in parent.iterdir() if (path / BANK).exists() and not path.name.startswith("."))
