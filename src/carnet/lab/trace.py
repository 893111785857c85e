"""What was sent and what arrived, packet by packet: the evidence every score is computed from.

A trace file is rows of fixed size in order of time, appended while a class runs, so that a half-written
class can be scored too.  All clocks are CLOCK_MONOTONIC of this one machine.
"""

import os
import struct
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

AUDIO: Final = 0
VIDEO: Final = 1
REPLAY: Final = 2

ROW: Final = np.dtype(
    [
        ("at_ns", "<i8"),
        ("medium", "u1"),
        ("again", "u1"),  # 1: a retransmission by the class's own means
        ("size", "<u2"),  # payload octets of the packet, without its headers
        ("sequence", "<u2"),
        ("stamp", "<u4"),  # RTP timestamp: one per video frame; a replay's running number
    ]
)
_PACK: Final = struct.Struct("<qBBHHI")

Rows = NDArray[np.void]


class TraceWriter:
    """Appends rows to a file: `add` for each packet, `flush` now and then, leave the `with` to close it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._rows = bytearray()

    def add(self, at_ns: int, medium: int, again: int, size: int, sequence: int, stamp: int) -> None:
        """Note one packet."""
        self._rows += _PACK.pack(at_ns, medium, again, size, sequence & 0xFFFF, stamp & 0xFFFFFFFF)

    def flush(self) -> None:
        """Hand the rows so far to readers, whole rows only."""
        os.write(self._file.fileno(), self._rows)
        self._rows.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trail: TracebackType | None
    ) -> None:
        self.flush()
        self._file.close()


def read(path: Path) -> Rows:
    """Return the rows of a trace file so far; none if it is not there yet or its last row is half-written."""
    try:
        blob = path.read_bytes()
    except FileNotFoundError:
        blob = b""
    return np.frombuffer(blob[: len(blob) // ROW.itemsize * ROW.itemsize], ROW)


def joined(paths: list[Path]) -> Rows:
    """Return the rows of several trace files in order of time."""
    rows = np.concatenate([read(path) for path in paths])
    ordered: Rows = rows[np.argsort(rows["at_ns"], kind="stable")]
    return ordered
