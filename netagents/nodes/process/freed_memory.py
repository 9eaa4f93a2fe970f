"""Freed memory, of which a process keeps a little for the next array instead of giving all of it back to the system.

Arrays of some hundred kilobytes come and go with every step.  The C library of most Linux systems asks the kernel for each of them anew
and gives each back, and the kernel clears every page that it hands out: up to a tenth of a training's processor time.
"""

from __future__ import annotations

import ctypes

MAPPED_BYTES = 4 << 20
"""Size from which on an array still has memory of its own, which is given back at once."""
KEPT_BYTES = 16 << 20
"""Free bytes that a process keeps at most."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Numbers of the two settings in glibc's ``malloc.h``."""


def keep_freed_memory() -> bool:
    """Set both limits for this process; False where its C library is not glibc, which then stays as it is."""
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018 -- other libraries have another mallopt, or none
        mallopt = library.mallopt
    except (OSError, AttributeError):
        return False
    mallopt.argtypes, mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    return bool(mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES) and mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES))
