"""Sink for TensorBoard: event files in a folder named as the run; settings as text, pictures as images, other artefacts beside them."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

from netagents.monitoring.sinks.sink import SinkRow, SinkRun, shown_values


class TensorBoardSink:
    """Writes event files.

    Args:
        run: whose folder is ``run.folder / run.name``.
    """

    def __init__(self, run: SinkRun) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
        from tensorboard.compat.proto.tensor_pb2 import TensorProto
        from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._event, self._summary = Event, Summary
        self._folder = run.folder / run.name
        # TensorBoard reads a folder with several event files as one run, so those of a resume and of artefacts may come later.
        self._writer: Any = EventFileWriter(str(self._folder))
        plugin = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
        text = "```json\n" + json.dumps(shown_values(run.settings), indent=1) + "\n```"
        shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
        tensor = TensorProto(dtype="DT_STRING", string_val=[text.encode()], tensor_shape=shape)
        self._add([Summary.Value(tag="settings/text_summary", metadata=plugin, tensor=tensor)], 0)

    def _add(self, values: list[Any], step: int) -> None:
        self._writer.add_event(self._event(wall_time=time.time(), step=step, summary=self._summary(value=values)))

    def write(self, row: SinkRow) -> None:
        """Write every number of one iteration."""
        self._add([self._summary.Value(tag=name, simple_value=value) for name, value in row.scalars().items()], row.iteration)

    def artifact(self, path: Path) -> None:
        """A picture as an image; any file as a copy beside the event files."""
        if path.suffix == ".png":
            image = self._summary.Image(encoded_image_string=path.read_bytes())
            self._add([self._summary.Value(tag=f"pictures/{path.stem}", image=image)], 0)
        shutil.copyfile(path, self._folder / path.name)

    def close(self) -> None:
        """Write everything and close."""
        self._writer.close()
