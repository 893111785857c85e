"""Whether the machine kept up: a lab on an overloaded one measures the load, and must say so."""

import contextlib
import os
import threading
import time
from types import TracebackType
from typing import Final, Self

TICK_S: Final = 0.010
STALL_S: Final = 0.020
"""Waking up this late is a stall: an idle machine of two cores is late by 3 ms at most while a class runs;
20 ms is a packet of sound."""
TOLERABLE: Final = 0.005
"""Share of the time in stalls from which on figures are the machine's as much as the network's."""

_PRIORITY: Final = -10


def take_precedence() -> None:
    """Ask to run before what else the machine does, for this thread and all it starts; it may be refused."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)


class Stalls:
    """Measures how late a thread wakes up that wants to every `TICK_S`.  Use it as a context, then ask."""

    def __init__(self) -> None:
        self._stalled_s = 0.0
        self._elapsed_s = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trail: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    @property
    def share(self) -> float:
        """Share of the time, 0..1, in which this machine let the thread wait."""
        return self._stalled_s / self._elapsed_s if self._elapsed_s else 0.0

    def _tick(self) -> None:
        while not self._over.is_set():
            began_s = time.monotonic()
            time.sleep(TICK_S)
            took_s = time.monotonic() - began_s
            self._elapsed_s += took_s
            if took_s > TICK_S + STALL_S:
                self._stalled_s += took_s - TICK_S
