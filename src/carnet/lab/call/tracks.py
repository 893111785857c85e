"""A recording as a track of a WebRTC call: encoded units leave at their time, whatever happened before."""

import asyncio
from typing import Any

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av.packet import Packet

from carnet.lab.call.media import Recording


class RecordedTrack(MediaStreamTrack):
    """Plays a `Recording` in a loop, from the moment `begin` names (clock of the event loop)."""

    def __init__(self, kind: str, recording: Recording) -> None:
        super().__init__()
        self.kind = kind
        self._recording = recording
        self._begin: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._next = 0

    def begin(self, at_s: float) -> None:
        """Send the first unit at `at_s`, and each following one a unit's duration later."""
        self._begin.set_result(at_s)

    async def recv(self) -> "Packet[Any]":
        """Return the next encoded unit when its time has come; late callers get it at once."""
        if self.readyState != "live":
            raise MediaStreamError
        recording = self._recording
        began_s = await asyncio.shield(self._begin)
        ticks = self._next * recording.unit_ticks
        loop = asyncio.get_running_loop()
        await asyncio.sleep(began_s + ticks / recording.clock_hz - loop.time())
        packet = Packet(recording.units[self._next % len(recording.units)])
        packet.pts = ticks
        packet.time_base = recording.time_base
        self._next += 1
        return packet
