"""`python -m carnet.lab.replay ROLE ...`: the packet shape of a real meeting, both ways at once, over UDP.

Every packet carries its number; what leaves and what arrives is traced as in the call.  Arrival times are the
kernel's, so a busy machine does not look like a slow network.
"""

import argparse
import socket
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Final

from carnet.errors import Error, WorldError
from carnet.lab.lines import hear, say
from carnet.lab.shapes import Packet, generated, recorded
from carnet.lab.trace import REPLAY, TraceWriter

PORT: Final = 46_000
AFTER_S: Final = 1.5
CONNECT_S: Final = 20.0

_NUMBER: Final = struct.Struct("!IQ")
_HELLO: Final = 0xFFFFFFFF
_FLUSH_S: Final = 0.5
_STAMP_OPTION: Final = 35  # SO_TIMESTAMPNS_OLD: a timespec of CLOCK_REALTIME with each datagram
_TIMESPEC: Final = struct.Struct("qq")


class Station:
    """One end: `connect`, then `run`.  The student speaks first; the classroom answers whoever spoke last."""

    def __init__(self, role: str, classroom: str) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, _STAMP_OPTION, 1)
        self._is_student = role == "student"
        self._far = (classroom, PORT)
        if not self._is_student:
            self._socket.bind(("0.0.0.0", PORT))  # noqa: S104  # a namespace of the lab is all there is
        # One clock for all: what the wall clock is ahead of the monotonic one, taken once.
        self._ahead_ns = time.time_ns() - time.monotonic_ns()

    def connect(self) -> None:
        """Exchange greetings until both ends have heard the other.

        Raises:
            WorldError: nobody answered within `CONNECT_S`.
        """
        patience_s = time.monotonic() + CONNECT_S
        self._socket.settimeout(0.2)
        while time.monotonic() < patience_s:
            try:
                if self._is_student:
                    self._socket.sendto(_NUMBER.pack(_HELLO, 0), self._far)
                _, self._far = self._socket.recvfrom(2048)
            except OSError:
                continue
            if not self._is_student:
                self._socket.sendto(_NUMBER.pack(_HELLO, 0), self._far)
            return
        raise WorldError("the replay's two ends did not hear each other")

    def run(self, packets: list[Packet], begin_s: float, end_s: float, sent: Path, got: Path) -> None:
        """Send `packets` at their times after `begin_s` (CLOCK_MONOTONIC) and trace until `end_s`."""
        listener = threading.Thread(target=self._listen, args=(end_s, got))
        listener.start()
        with TraceWriter(sent) as trace:
            flush_s = begin_s
            for number, packet in enumerate(packets):
                time.sleep(max(0.0, begin_s + packet.at_s - time.monotonic()))
                trace.add(time.monotonic_ns(), REPLAY, 0, packet.size, number, number)
                self._send(_NUMBER.pack(number, 0).ljust(packet.size, b"\0"))
                if time.monotonic() > flush_s:
                    trace.flush()
                    flush_s = time.monotonic() + _FLUSH_S
        listener.join()

    def _send(self, datagram: bytes) -> None:
        try:
            self._socket.sendto(datagram, self._far)
        except OSError:
            # No way there just now (an address change, a tunnel that is gone): a lost packet like any other.
            return

    def _listen(self, end_s: float, got: Path) -> None:
        with TraceWriter(got) as trace:
            flush_s = 0.0
            while (left_s := end_s - time.monotonic()) > 0:
                self._socket.settimeout(min(left_s, _FLUSH_S))
                try:
                    data, extra, _, self._far = self._socket.recvmsg(2048, 64)
                except OSError:
                    continue
                number = _NUMBER.unpack_from(data)[0]
                if number != _HELLO:
                    trace.add(self._arrival_ns(extra), REPLAY, 0, len(data), number, number)
                if time.monotonic() > flush_s:
                    trace.flush()
                    flush_s = time.monotonic() + _FLUSH_S

    def _arrival_ns(self, extra: list[tuple[int, int, bytes]]) -> int:
        for level, kind, data in extra:
            if (level, kind) == (socket.SOL_SOCKET, _STAMP_OPTION):
                seconds, nanoseconds = _TIMESPEC.unpack(data[: _TIMESPEC.size])
                return int(seconds * 1_000_000_000 + nanoseconds) - self._ahead_ns
        return time.monotonic_ns()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m carnet.lab.replay", description=__doc__)
    parser.add_argument("role", choices=["student", "classroom"])
    parser.add_argument("--classroom", required=True, help="address of the classroom server")
    parser.add_argument("--shape", required=True, help="a shape's name, or the path of a recording (.csv)")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="directory for the traces")
    return parser.parse_args()


def main() -> int:
    """Run one end; an error of ours is one line the lab passes on."""
    args = _arguments()
    direction = "up" if args.role == "student" else "down"
    try:
        if args.shape.endswith(".csv"):
            packets = recorded(Path(args.shape).read_text("utf-8"), direction, args.seconds)
        else:
            packets = generated(args.shape, direction, args.seconds, args.seed)
        station = Station(args.role, args.classroom)
        station.connect()
        say(connected=True)
        begin_s = float(hear("begin"))
        out = [args.out / f"{args.role}-replay-{what}" for what in ("sent", "got")]
        station.run(packets, begin_s, begin_s + args.seconds + AFTER_S, *out)
        say(done=True)
    except Error as error:
        say(failed=f"{error.code}: {error}")
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
