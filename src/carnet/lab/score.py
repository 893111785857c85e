"""How good a class was, from its traces.  Pure: rows in, numbers out, the same for every tunnel.

The question is always whether something was there when it was needed.  A video frame counts when all of its
packets have arrived, by whatever means, within `DEADLINE_S` of its sending; so does a packet of sound.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from carnet.lab.trace import AUDIO, VIDEO, Rows
from carnet.tunnel.quality import burst_ratio, freezes, mos

DEADLINE_S: Final = 0.400
GIVEN_UP_S: Final = 1.0
"""How long a player waits for a frame before it goes on without it."""
SLOT_S: Final = 0.5
"""Width of a step in the timelines."""
PACKET_S: Final = 0.020
"""Sound in one packet; it is part of the delay from mouth to ear."""

Floats = NDArray[np.float64]


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """One value for each `SLOT_S` of the class."""

    loss: list[float]
    frames: list[int]
    frames_late: list[int]
    delay_s: list[float | None]
    """95th percentile of packet delay; None where nothing arrived."""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One direction of one class."""

    packets: int
    packets_lost: int
    """Never arrived at first sending: what the class itself had to repair."""
    frames: int
    frames_late: int
    """Not complete at the deadline."""
    frames_missing: int
    """Of those, never complete at all."""
    freezes: int
    frozen_s: float
    longest_freeze_s: float
    sounds: int
    sounds_late: int
    """Packets of sound not there at the deadline."""
    mos: float
    """Of the sound, by an ideal player's choice of playout delay."""
    playout_s: float
    """That choice: from sending to playing."""
    delay_s: list[float]
    """Percentiles 50, 95, 99 and 100 of packet delay, first sendings that arrived."""
    delay_curve_s: list[float]
    """Percentiles 0 to 100 of the same, for a plot."""
    frame_curve_s: list[float | None]
    """Percentiles 0 to 100 of the time until a frame was complete; None: not within `GIVEN_UP_S`."""
    useful_bytes: int
    """Payload that was there when it was needed, each octet once."""
    timeline: Timeline


def score(sent: Rows, got: Rows, begin_s: float, seconds: float) -> Score:
    """Score one direction from what was sent and what arrived between `begin_s` and `seconds` later.

    Packets sent outside that time are not counted; arrivals may come later.
    """
    sent = _within(sent, begin_s, seconds)
    first = sent[sent["again"] == 0]
    left_s = first["at_ns"] / 1e9 - begin_s
    came_s = _first_arrival(first, got) / 1e9 - begin_s
    unaided_s = _first_arrival(first, got[got["again"] == 0]) / 1e9 - begin_s
    delay_s = unaided_s - left_s
    arrived = np.isfinite(delay_s)
    is_video, is_audio = first["medium"] == VIDEO, first["medium"] == AUDIO
    frame_left_s, frame_took_s = _frames(first[is_video], left_s[is_video], came_s[is_video])
    late = ~(frame_took_s <= DEADLINE_S)
    standing = freezes(_shown_at_s(frame_left_s, frame_took_s))
    in_time = came_s - left_s <= DEADLINE_S
    sound_delay_s = (came_s - left_s)[is_audio]
    opinion, playout_s = best_playout(sound_delay_s)
    complete = _in_complete_frame(first, frame_left_s, late)
    useful = np.where(is_video, complete, in_time)
    return Score(
        packets=len(first),
        packets_lost=int((~arrived).sum()),
        frames=len(frame_left_s),
        frames_late=int(late.sum()),
        frames_missing=int(np.isinf(frame_took_s).sum()),
        freezes=standing.count,
        frozen_s=round(standing.total_s, 3),
        longest_freeze_s=round(standing.longest_s, 3),
        sounds=len(sound_delay_s),
        sounds_late=int((~(sound_delay_s <= DEADLINE_S)).sum()),
        mos=round(opinion, 3),
        playout_s=round(playout_s, 4),
        delay_s=_percentiles(delay_s[arrived], [50, 95, 99, 100]),
        delay_curve_s=_percentiles(delay_s[arrived], range(101)),
        frame_curve_s=[
            value if value < GIVEN_UP_S else None
            for value in _percentiles(frame_took_s, range(101), missing=np.inf)
        ],
        useful_bytes=int(first["size"][useful].sum()),
        timeline=_timeline(seconds, left_s, delay_s, frame_left_s, late),
    )


def _within(sent: Rows, begin_s: float, seconds: float) -> Rows:
    at_s = sent["at_ns"] / 1e9 - begin_s
    chosen: Rows = sent[(at_s >= 0) & (at_s < seconds)]
    return chosen


def _key(rows: Rows) -> NDArray[np.int64]:
    """Return what names a packet: medium, stamp and sequence number in one integer."""
    medium, stamp = rows["medium"].astype(np.int64), rows["stamp"].astype(np.int64)
    return medium << 48 | stamp << 16 | rows["sequence"].astype(np.int64)


def _first_arrival(first: Rows, got: Rows) -> Floats:
    """Return for each sent packet when it first arrived in nanoseconds, infinity if never."""
    ordered = got[np.argsort(got["at_ns"], kind="stable")]
    keys, index = np.unique(_key(ordered), return_index=True)
    arrival = np.full(len(first), np.inf)
    if len(keys):
        wanted = _key(first)
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        there = keys[place] == wanted
        arrival[there] = ordered["at_ns"][index[place[there]]]
    return arrival


def _frames(video: Rows, left_s: Floats, came_s: Floats) -> tuple[Floats, Floats]:
    """Return for each frame, in order of sending, when it left and how long until all of it was there."""
    stamps, index = np.unique(video["stamp"], return_inverse=True)
    began = np.full(len(stamps), np.inf)
    ended = np.full(len(stamps), -np.inf)
    np.minimum.at(began, index, left_s)
    np.maximum.at(ended, index, came_s)
    order = np.argsort(began, kind="stable")
    return began[order], (ended - began)[order]


def _in_complete_frame(first: Rows, frame_left_s: Floats, late: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell for each packet whether it is of a video frame that was complete in time."""
    video = first["medium"] == VIDEO
    result = np.zeros(len(first), bool)
    if len(frame_left_s):
        # Frames are numbered in order of sending; a packet's frame is that of its stamp.
        stamps, start = np.unique(first["stamp"][video], return_index=True)
        number = np.argsort(np.argsort(start, kind="stable"), kind="stable")
        result[video] = ~late[number[np.searchsorted(stamps, first["stamp"][video])]]
    return result


def _shown_at_s(left_s: Floats, took_s: Floats) -> list[float]:
    """Return when a player showed each frame: in order, one skipped `GIVEN_UP_S` after its sending.

    It holds each frame until `DEADLINE_S` after its sending, as players do that wait for repairs.
    The end of the class closes the last gap, so that a picture that stopped counts as standing still.
    """
    shown: list[float] = []
    free_s = 0.0
    for left, took in zip(left_s.tolist(), took_s.tolist(), strict=True):
        if took <= GIVEN_UP_S:
            free_s = max(free_s, left + max(took, DEADLINE_S))
            shown.append(free_s)
        else:
            free_s = max(free_s, left + GIVEN_UP_S)
    if len(took_s) and took_s[-1] > GIVEN_UP_S:
        shown.append(free_s)
    return shown


def best_playout(delay_s: Floats) -> tuple[float, float]:
    """Return the best MOS over all playout delays up to the deadline, and that delay in seconds.

    Args:
        delay_s: Delay of each packet of sound in order of sending; infinity for one that never came.

    Source: the E-model as the measure of a playout buffer, Sun and Ifeachor, "Voice quality prediction models
    and their application in VoIP networks", IEEE Transactions on Multimedia 8(4), 2006.
    """
    there = delay_s[delay_s <= DEADLINE_S]
    if not len(there):
        return mos(DEADLINE_S, 1.0), DEADLINE_S
    best = (0.0, DEADLINE_S)
    for candidate in np.unique(np.quantile(there, np.linspace(0.5, 1, 51))):
        late = ~(delay_s <= candidate)
        lost = int(late.sum())
        bursts = int((late & ~np.concatenate(([False], late[:-1]))).sum())
        bursty = burst_ratio(lost, bursts, len(delay_s) - lost)
        best = max(best, (mos(float(candidate) + PACKET_S, lost / len(delay_s), bursty), float(candidate)))
    return best


def _percentiles(values: Floats, wanted: "range | list[int]", missing: float = 0.0) -> list[float]:
    if not len(values):
        return [missing for _ in wanted]
    ordered = np.sort(values)
    # The nearest observed value: an interpolation with infinity has no meaning.
    place = np.minimum((np.asarray(wanted) / 100 * len(ordered)).astype(int), len(ordered) - 1)
    return [round(float(value), 5) for value in ordered[place]]


def _timeline(
    seconds: float, left_s: Floats, delay_s: Floats, frame_left_s: Floats, late: NDArray[np.bool_]
) -> Timeline:
    slots = max(1, int(np.ceil(seconds / SLOT_S)))
    slot = (left_s / SLOT_S).astype(int).clip(0, slots - 1)
    frame_slot = (frame_left_s / SLOT_S).astype(int).clip(0, slots - 1)
    arrived = np.isfinite(delay_s)
    offered = np.bincount(slot, minlength=slots)
    lost = np.bincount(slot[~arrived], minlength=slots)
    delays = [_percentiles(delay_s[arrived & (slot == step)], [95]) for step in range(slots)]
    there = np.bincount(slot[arrived], minlength=slots) > 0
    return Timeline(
        loss=[round(float(value), 4) for value in lost / np.maximum(offered, 1)],
        frames=np.bincount(frame_slot, minlength=slots).tolist(),
        frames_late=np.bincount(frame_slot[late], minlength=slots).tolist(),
        delay_s=[value[0] if has else None for value, has in zip(delays, there, strict=True)],
    )
