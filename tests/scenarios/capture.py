"""Every packet a host's interface carries, as an operator with root on that host would see it."""

import math
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.scenarios.scene import Scene

_ETH_P_ALL: Final = 0x0003
_SOL_PACKET: Final = 263
_PACKET_STATISTICS: Final = 6
_BUFFER_BYTES: Final = 64 << 20
_SO_RCVBUFFORCE: Final = 33
_LAST_S: Final = 1.0


class Capture:
    """Packets from their IP header on, in order.  Complete once `opened` is over."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []
        self.dropped = 0
        """Packets the kernel could not hand over: a search is worth something only if there are none."""

    def streams(self) -> list[bytes]:
        """Return what each direction of each flow carried above its transport header, joined."""
        flows: dict[bytes, bytearray] = {}
        for packet in self.packets:
            key, payload = _transport(packet)
            flows.setdefault(key, bytearray()).extend(payload)
        return [bytes(flow) for flow in flows.values()]

    def fragments(self) -> list[bytes]:
        """Return the IPv4 packets that are fragments, and IPv6 ones with a fragment header."""
        return [packet for packet in self.packets if is_fragment(packet)]


def is_fragment(packet: bytes) -> bool:
    """Return whether an IP packet is a piece of another (RFC 791: MF or offset; RFC 8200: header 44)."""
    if packet[0] >> 4 == 6:
        return packet[6] == 44
    return int.from_bytes(packet[6:8], "big") & 0x3FFF != 0


def _transport(packet: bytes) -> tuple[bytes, bytes]:
    """Return (both ends and protocol, payload) of a packet."""
    if packet[0] >> 4 == 6:
        start, protocol, ends = 40, packet[6], packet[8:40]
    else:
        start, protocol, ends = (packet[0] & 15) * 4, packet[9], packet[12:20]
    ports = packet[start : start + 4]
    header = {17: 8, 6: packet[start + 12] // 16 * 4 if len(packet) > start + 12 else 0}.get(protocol, 0)
    return ends + ports + bytes([protocol]), packet[start + header :]


@contextmanager
def opened(scene: Scene, host: str) -> Iterator[Capture]:
    """Record all interfaces of a host until the end."""

    def listen() -> socket.socket:
        one = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        one.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        one.settimeout(0.3)
        return one

    tap = scene.inside(host, listen)
    capture, stop = Capture(), threading.Event()

    def record() -> None:
        until = math.inf
        while time.monotonic() < until:
            # A quiet wire ends the recording, so that what was under way is in it; a busy one a second later.
            try:
                capture.packets.append(tap.recv(65535))
                until = min(until, time.monotonic() + _LAST_S) if stop.is_set() else math.inf
            except TimeoutError:
                until = -math.inf if stop.is_set() else math.inf

    thread = threading.Thread(target=record)
    thread.start()
    try:
        yield capture
    finally:
        stop.set()
        thread.join()
        capture.dropped = struct.unpack("II", tap.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))[1]
        tap.close()
