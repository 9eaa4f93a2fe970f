"""A study's directory: what is asked, one subdirectory per run, and tables and a report at the end."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netagents.errors import NetagentsError, RunDirectoryError
from netagents.experiment.load import resolved
from netagents.records.atomic_files import check_folder, write_atomically
from netagents.records.record_files import read_record
from netagents.records.regular_files import check_real_folder, open_descriptor
from netagents.records.run_reader import Run
from netagents.studies.study_specification import Study

FORMAT_VERSION = 1
STUDY, RUNS, TABLES, RESULT, TIMED, REPORT = "study.json", "runs", "tables", "study_result.json", "timed", "report.html"
_FOLDERS = (RUNS, TABLES, TIMED)


@dataclass(frozen=True)
class StudyDirectory:
    """An existing study directory.

    Attributes:
        path: where it is.
    """

    path: Path

    @classmethod
    def open_for(cls, path: Path, study: Study) -> StudyDirectory:
        """The directory of a study: a new one, or that of the same experiment, whose finished runs then count.

        More seeds or settings may be asked for than before.

        Raises:
            RunDirectoryError: it holds something else, or the study of another experiment, or a link in place of a folder.
        """
        file = path / STUDY
        check_folder(path, "name an empty folder, or one that a study made")
        for name in _FOLDERS:
            check_real_folder(path / name)
        if path.exists():
            facts = cls.open(path).facts if any(path.iterdir()) else None
            if facts is not None and facts["digest"] != study.digest:
                raise RunDirectoryError(
                    f"holds a {facts['question']} study of another experiment ('{facts['name']}', digest {facts['digest']}, "
                    f"this one has {study.digest})",
                    where=str(path),
                    fix="name another directory with --out",
                )
        try:
            (path / RUNS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunDirectoryError(f"cannot be made: {error.strerror}", where=str(path)) from error
        write_atomically(file, (json.dumps(describe(study), indent=1) + "\n").encode())
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> StudyDirectory:
        """Open an existing study.

        Raises:
            RunDirectoryError: there is none, or another format version wrote it.
        """
        try:
            version = read_record(path / STUDY, STUDY)["format_version"]
        except RunDirectoryError as error:
            fix = "name an empty folder, or one that a study made"
            raise RunDirectoryError(f"is no study: it has no readable {STUDY}", where=str(path), fix=fix) from error
        if version != FORMAT_VERSION:
            raise RunDirectoryError(f"a study of format {version}; this netagents reads format {FORMAT_VERSION}", where=str(path))
        return cls(path)

    @property
    def facts(self) -> dict[str, Any]:
        """What :func:`describe` wrote."""
        return read_record(self.path / STUDY, STUDY)

    def run_path(self, name: str) -> Path:
        """Where a run is or will be."""
        return self.path / RUNS / name

    def result(self, name: str) -> dict[str, Any] | None:
        """What a run's worker wrote last; None while the run is not finished."""
        try:
            return read_record(self.run_path(name) / RESULT, RESULT)
        except RunDirectoryError:
            return None

    def sweep(self, name: str) -> str | None:
        """Remove what an interrupted or failed run left, so that it can be made again.

        Returns:
            What became of it, or None when there was nothing to remove.

        Raises:
            RunDirectoryError: a living process still writes it, or something else stands there.
        """
        path = self.run_path(name)
        check_real_folder(path)
        if not path.exists() or self.result(name) is not None:
            return None
        try:
            state = Run.open(path).state
        except NetagentsError:
            state = "killed"
        if state == "running":
            raise RunDirectoryError("is still being written by another process", where=str(path), fix="wait for it, or end it")
        if state == "finished":
            return None
        shutil.rmtree(path)
        return state

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else carries out this study meanwhile.

        Raises:
            RunDirectoryError: somebody does, or the lock is no regular file.
        """
        file = self.path / ".lock"
        try:
            descriptor = open_descriptor(file, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise RunDirectoryError(f"cannot be opened: {error.strerror}", where=str(file), fix="the folder must be writable") from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RunDirectoryError("another process carries out this study", where=str(self.path), fix="wait for it") from error
            yield
        finally:
            os.close(descriptor)


def describe(study: Study) -> dict[str, Any]:
    """A study as plain JSON."""
    return {
        "format_version": FORMAT_VERSION,
        "question": study.question,
        "name": study.name,
        "digest": study.digest,
        "measure": study.measure,
        "varied": list(study.varied),
        "seeds": list(study.seeds),
        "notes": list(study.notes),
        "settings": [{"label": setting.label, "values": _plain(setting.values)} for setting in study.settings],
        "runs": [{"name": name, "setting": setting.label, "seed": seed} for name, setting, seed in study.runs()],
        "experiment": resolved(study.base),
    }


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return dict(values)
