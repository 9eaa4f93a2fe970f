"""A table as named numpy columns: light, and one call away from pandas or Arrow where those are wanted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from netagents.errors import MissingPackageError

if TYPE_CHECKING:
    import pyarrow


class ColumnTable(Mapping[str, NDArray[Any]]):
    """Columns of one length by name: ``table["return"]`` is a numpy array.

    Args:
        columns: one-dimensional arrays, all of one length.
    """

    def __init__(self, columns: Mapping[str, NDArray[Any]]) -> None:
        self._columns = dict(columns)
        lengths = {len(column) for column in self._columns.values()}
        if len(lengths) > 1:
            raise ValueError(f"columns of different lengths {sorted(lengths)}")
        self.rows = lengths.pop() if lengths else 0

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        return f"Table({self.rows} rows: {', '.join(self._columns)})"

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame`` of the columns.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        try:
            import pandas  # type: ignore[import-untyped,unused-ignore]
        except ImportError as error:
            raise MissingPackageError(
                "the package pandas is not installed", fix="pip install pandas, or use the columns as numpy arrays"
            ) from error
        return pandas.DataFrame(self._columns)

    def to_arrow(self) -> pyarrow.Table:
        """A ``pyarrow.Table`` of the columns."""
        import pyarrow

        return pyarrow.table(self._columns)
