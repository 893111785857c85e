"""What a running join says of itself, on a unix socket of its owner; and how to ask.

One JSON object per connection.  No key, no name that was resolved, no address visited.
"""

import asyncio
import math
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from carnet.errors import MalformedDocumentError, NotRunningError
from carnet.facts import PathReading, PeerReading
from carnet.node import disk
from carnet.node.device import DeviceCounts
from carnet.node.undo import Journal
from carnet.tunnel.directory import Directory
from carnet.tunnel.judge import PathJudge
from carnet.tunnel.passes import Holding
from carnet.tunnel.paths import PathEstimate
from carnet.tunnel.quality import mos
from carnet.tunnel.ways import Ways

ANSWER_BYTES_MOST = 1024 * 1024
ASK_TIMEOUT_S = 2.0
OVERHEAD_FROM_BYTES = 100_000


class PathStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One way to the campus.  Loss is a share, 0..1; down is the direction to the student."""

    path: int
    name: str
    carrying: bool
    alive: bool
    rtt_ms: float
    loss_down: float
    loss_up: float
    jitter_ms: float
    mos_down: float
    mos_up: float
    sent_bytes: int
    received_bytes: int
    mtu_bytes: int


class JoinStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A whole join."""

    campus: str
    student: str
    interface: str
    address: str
    directory_version: int
    connected: bool
    handshake_age_s: float
    probe_s: float
    """Pause between probes: short while a class runs."""
    sent_bytes: int
    received_bytes: int
    overhead: float | None
    """Bytes on the way per byte inside, minus 1, both directions; None while little was carried."""
    paths: tuple[PathStatus, ...]
    dropped: dict[str, int]


def snapshot(
    holding: Holding,
    directory: Directory,
    interface: str,
    reading: PeerReading | None,
    judge: PathJudge,
    ways: Ways,
    inside: DeviceCounts,
    counters: dict[str, int],
) -> JoinStatus:
    """Put together what is known now; `inside` is the tunnel's interface."""
    estimates = {estimate.path: estimate for estimate in judge.estimates}
    readings = reading.paths if reading is not None else ()
    paths = tuple(
        _path(one, estimates[one.path], ways.name(one.path), carrying=one.path == judge.carrying)
        for one in readings
        if one.path in estimates
    )
    outer = sum(path.sent_bytes + path.received_bytes for path in paths)
    inner = inside.sent_bytes + inside.received_bytes
    age_s = reading.handshake_age_s if reading is not None else math.inf
    return JoinStatus(
        campus=directory.campus,
        student=holding.signed.student,
        interface=interface,
        address=holding.address(directory),
        directory_version=directory.version,
        connected=any(path.alive for path in paths) or (math.isfinite(age_s) and not _frames(reading)),
        handshake_age_s=age_s if math.isfinite(age_s) else -1.0,
        probe_s=judge.probe_s,
        sent_bytes=inside.sent_bytes,
        received_bytes=inside.received_bytes,
        overhead=outer / inner - 1 if inner >= OVERHEAD_FROM_BYTES else None,
        paths=paths,
        dropped={name: count for name, count in counters.items() if count},
    )


def _frames(reading: PeerReading | None) -> bool:
    return reading is not None and reading.speaks_frames


def _path(reading: PathReading, estimate: PathEstimate, name: str, *, carrying: bool) -> PathStatus:
    return PathStatus(
        path=reading.path,
        name=name,
        carrying=carrying,
        alive=estimate.alive,
        rtt_ms=estimate.rtt_s * 1000,
        loss_down=estimate.loss_in,
        loss_up=estimate.loss_out,
        jitter_ms=reading.near_jitter_s * 1000,
        mos_down=mos(estimate.delay_in_s, estimate.loss_in, estimate.burst_in),
        mos_up=mos(estimate.delay_out_s, estimate.loss_out, estimate.burst_out),
        sent_bytes=reading.sent_bytes,
        received_bytes=reading.received_bytes,
        mtu_bytes=reading.mtu_bytes,
    )


class StatusServer:
    """Answers whoever may open the socket.  `start`, then `close`."""

    def __init__(self, interface: str, journal: Journal, snapshot: Callable[[], JoinStatus]) -> None:
        self._path = disk.runtime_directory() / f"{interface}.{os.getpid()}.sock"
        self._journal = journal
        self._snapshot = snapshot
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; the socket is its owner's only."""
        self._journal.note(kind="socket", path=str(self._path))
        self._path.unlink(missing_ok=True)
        try:
            self._server = await asyncio.start_unix_server(self._serve, self._path)
            self._path.chmod(0o600)
        except OSError as error:
            raise disk.world_error(error, str(self._path)) from error

    def close(self) -> None:
        """Stop answering."""
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)

    async def _serve(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            writer.write(msgspec.json.encode(self._snapshot()))
            await writer.drain()
        writer.close()


def ask_all(interface: str | None = None) -> list[JoinStatus]:
    """Return the status of every join of this user, or of the one on `interface`.

    Raises:
        NotRunningError: none answers.
    """
    found = []
    for path in sorted(disk.runtime_directory().glob(f"{interface or '*'}.*.sock")):
        status = _ask(path)
        if status is not None:
            found.append(status)
    if not found:
        where = f" on {interface}" if interface else ""
        raise NotRunningError(f"no join runs{where}: start one with `carnet join FILE`")
    return found


def _ask(path: Path) -> JoinStatus | None:
    answer = bytearray()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ASK_TIMEOUT_S)
            connection.connect(str(path))
            while chunk := connection.recv(65536):
                answer += chunk
                if len(answer) > ANSWER_BYTES_MOST:
                    raise MalformedDocumentError("the status does not end")
    except ConnectionRefusedError:
        # Left behind by a join that was killed.
        path.unlink(missing_ok=True)
        return None
    except OSError:
        return None
    try:
        return msgspec.json.decode(bytes(answer), type=JoinStatus)
    except msgspec.DecodeError as error:
        raise MalformedDocumentError(f"the status cannot be read: {error}") from error
