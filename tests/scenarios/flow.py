"""A paced flow of numbered datagrams both ways, and how long its silences were."""

import socket
import struct
import threading
import time
from contextlib import suppress
from typing import Final

from tests.scenarios.scene import Scene

PER_SECOND: Final = 50
PORT: Final = 5006
_NUMBER: Final = struct.Struct("!I")
_SIZE: Final = 160


class Way:
    """One direction: how many were sent, and which of them arrived."""

    def __init__(self) -> None:
        self.sent = 0
        self.arrived: set[int] = set()

    def longest_gap(self, start: int = 0) -> int:
        """Return the longest run of missing numbers from `start` up to the last that arrived."""
        longest = run = 0
        for number in range(start, max(self.arrived, default=0)):
            run = 0 if number in self.arrived else run + 1
            longest = max(longest, run)
        return longest


class Flow:
    """The student and the classroom each send `PER_SECOND` datagrams a second.  Use with `with`."""

    def __init__(self, scene: Scene) -> None:
        self.up, self.down = Way(), Way()
        self._near, self._far = scene.udp("student"), scene.udp("classroom", PORT)
        self._room = (scene.address("classroom"), PORT)
        self._student: tuple[str, int] | None = None
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=act) for act in (self._send, self._hear_near, self._hear_far)
        ]

    def __enter__(self) -> "Flow":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._near.close()
        self._far.close()

    def let_pass(self, seconds: float) -> None:
        """Let so much of the class go by, counted in datagrams sent."""
        goal = self.up.sent + round(seconds * PER_SECOND)
        while self.up.sent < goal:
            self._stop.wait(1 / PER_SECOND)

    def flows(self) -> bool:
        """Return whether something of the last half second's has arrived both ways."""
        ways = (self.up, self.down)
        return all(max(way.arrived, default=-1) >= way.sent - PER_SECOND // 2 > 0 for way in ways)

    def _send(self) -> None:
        start = time.monotonic()
        for tick in range(1 << 31):
            if self._stop.wait(max(0.0, start + tick / PER_SECOND - time.monotonic())):
                return
            self._give(self._near, self.up, self._room)
            if self._student is not None:
                self._give(self._far, self.down, self._student)

    def _give(self, one: socket.socket, way: Way, target: tuple[str, int]) -> None:
        # No interface, no route, an ICMP error come back: the datagram is simply missing.
        with suppress(OSError):
            one.sendto(_NUMBER.pack(way.sent).ljust(_SIZE, b"\0"), target)
        way.sent += 1

    def _hear_near(self) -> None:
        self._hear(self._near, self.down)

    def _hear_far(self) -> None:
        self._hear(self._far, self.up)

    def _hear(self, one: socket.socket, way: Way) -> None:
        while not self._stop.is_set():
            try:
                datagram, sender = one.recvfrom(2048)
            except OSError:
                continue
            way.arrived.add(_NUMBER.unpack_from(datagram)[0])
            if one is self._far:
                self._student = sender
