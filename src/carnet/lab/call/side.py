"""One side of the class: a WebRTC peer that plays its recordings and notes what it sends and gets.

The order of the calls is that of `__main__`: describe (and answer), `connected`, `begin`, sleep, `close`.
Descriptions travel outside the network under test, by the caller's hands.
"""

import asyncio
import re
from functools import partial
from pathlib import Path
from typing import Final

import aioice.ice
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCRtpSender, RTCSessionDescription

from carnet.errors import WorldError
from carnet.lab.call.media import Recording
from carnet.lab.call.taps import keep_undecoded, tap_receiver, tap_senders
from carnet.lab.call.tracks import RecordedTrack
from carnet.lab.trace import TraceWriter

CONNECT_S: Final = 20.0
"""Patience with a call that does not connect: ICE and DTLS over the worst world here need under ten."""


class Side:
    """A peer at `address`, which is the one it offers to the other side."""

    def __init__(self, address: str, picture: Recording, sound: Recording, sent: Path, got: Path) -> None:
        keep_undecoded()
        # Only the address under test may carry the class, whatever else the machine has.
        aioice.ice.get_host_addresses = partial(_only, address)
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._tracks = [RecordedTrack("audio", sound), RecordedTrack("video", picture)]
        self._sent, self._got = TraceWriter(sent), TraceWriter(got)

    async def offer(self) -> str:
        """Return the description that opens the call."""
        for track in self._tracks:
            self._peer.addTrack(track)
        await self._peer.setLocalDescription(await self._peer.createOffer())
        return self._peer.localDescription.sdp

    async def answer(self, offer: str) -> str:
        """Take the other side's offer; return the description that answers it."""
        await self._peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        for track in self._tracks:
            self._peer.addTrack(track)
        await self._peer.setLocalDescription(await self._peer.createAnswer())
        self._tap()
        return self._peer.localDescription.sdp

    async def accept(self, answer: str) -> None:
        """Take the answer to our offer."""
        await self._peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        self._tap()

    def _tap(self) -> None:
        senders: list[RTCRtpSender] = self._peer.getSenders()
        tap_senders(senders, self._sent)
        again = {int(kind) for kind in re.findall(r"a=rtpmap:(\d+) rtx/", self._peer.remoteDescription.sdp)}
        receivers: list[RTCRtpReceiver] = self._peer.getReceivers()
        for receiver in receivers:
            tap_receiver(receiver, receiver.track.kind, again, self._got)

    async def connected(self) -> None:
        """Return when media can flow.

        Raises:
            WorldError: the two sides did not find each other within `CONNECT_S`.
        """
        loop = asyncio.get_running_loop()
        patience_s = loop.time() + CONNECT_S
        while self._peer.connectionState != "connected":
            if loop.time() > patience_s or self._peer.connectionState in {"failed", "closed"}:
                raise WorldError(f"the call did not connect: {self._peer.connectionState}")
            await asyncio.sleep(0.05)

    def begin(self, at_s: float) -> None:
        """Start the class at `at_s` (CLOCK_MONOTONIC, seconds)."""
        for track in self._tracks:
            track.begin(at_s)

    def flush(self) -> None:
        """Hand the traces so far to their readers."""
        self._sent.flush()
        self._got.flush()

    def hush(self) -> None:
        """Send nothing new; what was sent may still be asked for again."""
        for sender in self._peer.getSenders():
            sender.replaceTrack(None)

    async def close(self) -> None:
        """Hang up and close the traces."""
        await self._peer.close()
        with self._sent, self._got:
            pass


def _only(address: str, use_ipv4: bool, use_ipv6: bool) -> list[str]:  # noqa: ARG001  # aioice's signature
    return [address]
