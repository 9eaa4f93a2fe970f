"""How the codec speaks of what it could not write or read: values of unknown size, fit for one line."""

from __future__ import annotations

from netagents.messages import Envelope


def where_of(envelope: Envelope) -> str:
    """Which message an error is about."""
    return f"{envelope.kind.name.lower()} of node {envelope.sender}, iteration {envelope.iteration}, step {envelope.step}"


def short(value: object) -> str:
    """A value of unknown size, fit for one line: huge integers and long texts are cut before they are printed."""
    if isinstance(value, int) and value.bit_length() > 64:
        return f"of {value.bit_length()} bits"
    if isinstance(value, (bytes, str)):
        value = value[:40]
    elif isinstance(value, (list, dict)) and len(value) > 8:
        return f"a {type(value).__name__} of {len(value)}"
    try:
        text = str(value) if isinstance(value, Exception) else repr(value)
    except RecursionError:
        # What msgpack can still unpack may be nested too deeply to be printed.
        text = f"a {type(value).__name__} nested too deeply"
    return text if len(text) <= 80 else text[:77] + "..."
