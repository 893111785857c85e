"""Packet times and sizes of real meetings, generated or read from a recording.  Pure.

The tables are quantiles of the gaps and of the UDP payload sizes in three recordings of Feishu meetings of
one minute each, taken at one participant (5,677, 3,698 and 4,755 packets): one who listens, one who shares a
screen, one who shares and speaks.  What the recorded participant sent is what a teacher sends here: `down`.
Gaps are drawn one by one, so a generated shape has the recorded rate and burstiness, not its rhythm.
"""

import csv
import io
from dataclasses import dataclass
from typing import Final

import numpy as np

from carnet.errors import MisuseError

LEAST_BYTES: Final = 12
"""A replayed packet carries its number and its time, so none is smaller."""
MOST_BYTES: Final = 1300


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet to send: seconds after the start, octets of UDP payload."""

    at_s: float
    size: int


@dataclass(frozen=True, slots=True)
class _Flow:
    gaps_ms: tuple[float, ...]
    sizes: tuple[int, ...]


def _flow(gaps_ms: str, sizes: str) -> _Flow:
    return _Flow(tuple(map(float, gaps_ms.split())), tuple(map(int, sizes.split())))


# Which share of the recorded packets lies below each column of the tables: every 5 %, then 99 % and all.
_BELOW: Final = (*(step / 20 for step in range(20)), 0.99, 1.0)

_HEARD: Final = _flow(
    "0 0 0 0 0.1 0.2 1.6 4.3 6.9 9.4 11 14 16.5 18.7 20.1 20.6 22.5 27.3 32.1 41.8 86.1 327.7",
    "32 44 44 52 72 109 140 152 156 159 161 163 165 167 169 171 174 178 189 216 230 277",
)
_LISTENS: Final = _flow(
    "0 0 0.1 0.1 0.1 0.1 1 6.4 10.6 15.9 19.9 21 30.7 39.3 48.5 62.2 75.4 89.8 104.5 116.5 157.7 296",
    "36 36 36 36 36 36 36 46 60 64 72 72 72 72 73 76 76 80 84 96 236 236",
)
_SHARES: Final = _flow(
    "0 0.1 0.1 0.1 0.1 1 3.8 4.9 5.8 8.1 11 16.1 20.1 27.9 32.1 39.1 48 61.6 79 110.6 170.9 202.1",
    "28 44 46 46 60 72 72 73 84 95 96 108 190 600 1039 1119 1166 1170 1179 1182 1186 1189",
)
_WATCHED: Final = _flow(
    "0 0.4 0.6 0.7 1.9 4 7 11 14.7 18.9 20.5 24.6 29.1 35.6 42.9 51 63.3 77.3 98.5 147.9 239.1 357.4",
    "28 40 44 44 44 44 44 44 44 46 46 48 52 64 72 72 72 72 73 73 232 995",
)
_SPEAKS: Final = _flow(
    "0 0.1 0.2 2 3.9 4.9 5.7 6.1 9.5 13 16.1 20 24 28.7 33.8 39 45 52.1 58.1 65.3 89.3 137.8",
    "28 36 36 44 44 60 72 72 82 96 112 124 128 132 138 145 166 222 247 315 634 1113",
)
_ANSWERED: Final = _flow(
    "0 0 0 0 0 0 0 0 0 0.1 0.1 0.1 0.2 0.4 7.1 23.5 42.2 63.9 93.8 127.6 211.2 585.5",
    "28 28 32 36 36 40 44 44 44 44 46 48 48 52 56 72 72 77 119 188 906 923",
)

_SHAPES: Final = {
    "voice": {"down": _HEARD, "up": _LISTENS},
    "share": {"down": _SHARES, "up": _WATCHED},
    "voice-share": {"down": _SPEAKS, "up": _ANSWERED},
}


def generated(shape: str, direction: str, seconds: float, seed: int) -> list[Packet]:
    """Return the packets of a shape ("voice", "share", "voice-share") in one direction ("down", "up").

    Raises:
        MisuseError: there is no such shape or direction.
    """
    try:
        flow = _SHAPES[shape][direction]
    except KeyError as error:
        raise MisuseError(f"no shape {shape!r} {direction!r}; there are: {', '.join(_SHAPES)}") from error
    random = np.random.default_rng([seed, direction == "up"])
    packets: list[Packet] = []
    at_s = 0.0
    while True:
        at_s += float(np.interp(random.random(), _BELOW, flow.gaps_ms)) / 1000
        if at_s >= seconds:
            return packets
        packets.append(
            Packet(at_s, max(LEAST_BYTES, round(float(np.interp(random.random(), _BELOW, flow.sizes)))))
        )


def recorded(text: str, direction: str, seconds: float) -> list[Packet]:
    """Return the packets of a recording in one direction; a short recording plays again.

    Args:
        text: CSV with columns time_ms, direction ("down" or "up"), udp_payload_bytes, in order of time.
        direction: "down" or "up".
        seconds: Length wanted.

    Raises:
        MisuseError: the text is no such table; the message names the line.
    """
    once: list[Packet] = []
    length_s = 0.0
    for number, row in enumerate(_rows(text), start=2):
        try:
            at_s, size = float(row["time_ms"]) / 1000, int(row["udp_payload_bytes"])
        except (KeyError, TypeError, ValueError) as error:
            raise MisuseError(
                f"line {number} of the recording has no time_ms and udp_payload_bytes"
            ) from error
        if not (length_s <= at_s < 86_400 and 0 <= size <= 65_507):
            raise MisuseError(f"line {number} of the recording goes back in time or is no packet")
        length_s = at_s
        if row.get("direction") == direction:
            once.append(Packet(at_s, min(max(size, LEAST_BYTES), MOST_BYTES)))
    if not once or length_s <= 0:
        raise MisuseError(f"the recording has no packets {direction}")
    rounds = int(seconds // length_s) + 1
    repeated = (
        Packet(packet.at_s + turn * length_s, packet.size) for turn in range(rounds) for packet in once
    )
    return [packet for packet in repeated if packet.at_s < seconds]


def _rows(text: str) -> list[dict[str, str]]:
    try:
        return list(csv.DictReader(io.StringIO(text, newline="")))
    except csv.Error as error:
        raise MisuseError(f"the recording is no table, line 2 or later: {error}") from error
