"""`python -m carnet.lab.download ROLE ...`: a course download over TCP from the classroom to the student.

CUBIC at both ends, the common default, where the kernel has it; what was used is part of the result.  A
download that does not end in time is stopped and its rate taken.
"""

import argparse
import contextlib
import socket
import sys
import time
from typing import Final

from carnet.lab.lines import say

PORT: Final = 46_001
SIZE_BYTES: Final = 10_000_000
_CHUNK: Final = 1 << 16


def serve(size: int) -> None:
    """Send `size` octets to everyone who connects, one after another, until killed."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _choose_cubic(listener)
        listener.bind(("0.0.0.0", PORT))  # noqa: S104  # a namespace of the lab is all there is
        listener.listen()
        say(serving=True)
        while True:
            student, _ = listener.accept()
            with student:
                _send(student, size)


def _send(student: socket.socket, size: int) -> None:
    try:
        for _ in range(0, size, _CHUNK):
            student.sendall(b"\xa5" * min(_CHUNK, size))
            size -= _CHUNK
    except OSError:
        return


def fetch(classroom: str, size: int, limit_s: float) -> dict[str, object]:
    """Download for at most `limit_s`; return octets, seconds and the congestion control used."""
    began_s = time.monotonic()
    taken = 0
    with socket.socket() as link:
        control = _choose_cubic(link)
        link.settimeout(limit_s)
        # Whatever stops it, what arrived until then is the result.
        with contextlib.suppress(OSError):
            link.connect((classroom, PORT))
            while taken < size and (left_s := began_s + limit_s - time.monotonic()) > 0:
                link.settimeout(left_s)
                chunk = link.recv(_CHUNK)
                if not chunk:
                    break
                taken += len(chunk)
    return {"octets": taken, "seconds": time.monotonic() - began_s, "control": control}


def _choose_cubic(link: socket.socket) -> str:
    # Where it is not allowed or not there it is the machine's own default, named in the result.
    with contextlib.suppress(OSError):
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
    return link.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0").decode()


def main() -> int:
    """Run one end."""
    parser = argparse.ArgumentParser(prog="python -m carnet.lab.download", description=__doc__)
    parser.add_argument("role", choices=["student", "classroom"])
    parser.add_argument("--classroom", default="", help="address of the classroom server")
    parser.add_argument("--bytes", type=int, default=SIZE_BYTES)
    parser.add_argument("--limit-s", type=float, default=20.0)
    args = parser.parse_args()
    if args.role == "classroom":
        serve(args.bytes)
    else:
        say(download=fetch(args.classroom, args.bytes, args.limit_s))
    return 0


if __name__ == "__main__":
    sys.exit(main())
