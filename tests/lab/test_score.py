"""Scores against models that are obviously right: counting by hand, packet by packet."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carnet.lab.score import DEADLINE_S, GIVEN_UP_S, SLOT_S, best_playout, score
from carnet.lab.trace import AUDIO, REPLAY, ROW, VIDEO, Rows
from carnet.tunnel.quality import mos

BEGIN_S = 1000.0
SIZE = 100


Packet = tuple[float, int, int, int, int]


def later(packets: Sequence[Packet], delay_s: float) -> list[Packet]:
    return [
        (at_s + delay_s, medium, again, sequence, stamp) for at_s, medium, again, sequence, stamp in packets
    ]


def rows(packets: Sequence[Packet]) -> Rows:
    """Return rows from (seconds after the beginning, medium, again, sequence, stamp)."""
    made = np.zeros(len(packets), ROW)
    for row, (at_s, medium, again, sequence, stamp) in zip(made, packets, strict=True):
        row["at_ns"] = round((BEGIN_S + at_s) * 1e9)
        row["medium"], row["again"], row["sequence"], row["stamp"] = medium, again, sequence, stamp
        row["size"] = SIZE
    return made


def video(frame: int, part: int, at_s: float, again: int = 0) -> Packet:
    return (at_s, VIDEO, again, frame * 10 + part, 3600 * frame)


def sound(number: int, at_s: float) -> Packet:
    return (at_s, AUDIO, 0, number, 960 * number)


def test_a_class_without_loss_is_perfect() -> None:
    sent = [video(n, part, 0.04 * n) for n in range(50) for part in range(3)]
    sent += [sound(n, 0.02 * n) for n in range(100)]
    result = score(rows(sent), rows(later(sent, 0.05)), BEGIN_S, 2.0)
    assert (result.packets, result.packets_lost) == (250, 0)
    assert (result.frames, result.frames_late, result.frames_missing) == (50, 0, 0)
    assert (result.sounds, result.sounds_late, result.freezes) == (100, 0, 0)
    assert result.mos == pytest.approx(mos(0.05 + 0.02, 0.0), abs=0.001)
    assert result.delay_s == pytest.approx([0.05] * 4)
    assert result.useful_bytes == 250 * SIZE


def test_a_frame_needs_all_of_its_packets_in_time() -> None:
    sent = [video(0, part, 0.0) for part in range(3)]
    just, late = DEADLINE_S - 0.001, DEADLINE_S + 0.001
    in_time = score(rows(sent), rows([video(0, 0, 0.1), video(0, 1, 0.1), video(0, 2, just)]), BEGIN_S, 1.0)
    too_late = score(rows(sent), rows([video(0, 0, 0.1), video(0, 1, 0.1), video(0, 2, late)]), BEGIN_S, 1.0)
    missing = score(rows(sent), rows([video(0, 0, 0.1), video(0, 1, 0.1)]), BEGIN_S, 1.0)
    assert [r.frames_late for r in (in_time, too_late, missing)] == [0, 1, 1]
    assert [r.frames_missing for r in (in_time, too_late, missing)] == [0, 0, 1]
    assert [r.useful_bytes for r in (in_time, too_late, missing)] == [300, 0, 0]


def test_a_retransmission_saves_a_frame_but_was_a_loss() -> None:
    sent = [video(0, 0, 0.0), video(0, 1, 0.0), video(0, 1, 0.2, again=1)]
    got = [video(0, 0, 0.1), video(0, 1, 0.3, again=1)]
    result = score(rows(sent), rows(got), BEGIN_S, 1.0)
    assert (result.packets, result.packets_lost, result.frames_late) == (2, 1, 0)


def test_a_packet_that_came_twice_counts_once_and_at_its_first() -> None:
    result = score(rows([sound(1, 0.0)]), rows([sound(1, 0.5), sound(1, 0.1)]), BEGIN_S, 1.0)
    assert result.sounds_late == 0
    assert result.delay_s[0] == pytest.approx(0.1)
    assert result.useful_bytes == SIZE


def test_only_what_was_sent_in_the_class_counts() -> None:
    sent = [sound(0, -0.1), sound(1, 0.5), sound(2, 1.1)]
    assert score(rows(sent), rows([]), BEGIN_S, 1.0).packets == 1


def test_a_picture_that_stops_stands_still_until_the_end() -> None:
    sent = [video(n, 0, 0.04 * n) for n in range(75)]
    got = [video(n, 0, 0.04 * n + 0.1) for n in range(25)]
    result = score(rows(sent), rows(got), BEGIN_S, 3.0)
    assert result.frames_late == 50
    assert result.freezes == 1
    # From the last frame shown until the last of the class is given up.
    assert result.longest_freeze_s == pytest.approx(
        0.04 * 74 + GIVEN_UP_S - (0.04 * 24 + DEADLINE_S), abs=0.002
    )


def test_the_timeline_adds_up() -> None:
    sent = [video(n, part, 0.04 * n) for n in range(100) for part in range(2)]
    got = [packet for packet in sent if packet[4] // 3600 % 7]
    result = score(rows(sent), rows(later(got, 0.05)), BEGIN_S, 4.0)
    assert len(result.timeline.frames) == 4.0 / SLOT_S
    assert sum(result.timeline.frames) == result.frames == 100
    assert sum(result.timeline.frames_late) == result.frames_late == 15


@st.composite
def classes(
    draw: st.DrawFn,
) -> tuple[list[Packet], list[Packet]]:
    sent: list[Packet] = []
    for frame in range(draw(st.integers(0, 12))):
        sent += [video(frame, part, 0.04 * frame) for part in range(draw(st.integers(1, 4)))]
    sent += [sound(n, 0.02 * n) for n in range(draw(st.integers(0, 12)))]
    sent += [(0.01 * n, REPLAY, 0, n, n) for n in range(draw(st.integers(0, 6)))]
    got = []
    for at_s, medium, _, sequence, stamp in sent:
        for again in draw(st.lists(st.integers(0, 1), max_size=2)):
            delay_s = draw(st.sampled_from([0.01, 0.1, 0.399, 0.401, 0.9]))
            got.append((at_s + delay_s, medium, again, sequence, stamp))
    return sent, draw(st.permutations(got))


@settings(deadline=None)
@given(classes())
def test_scores_are_what_counting_by_hand_gives(
    traces: tuple[list[Packet], list[Packet]],
) -> None:
    sent, got = traces
    result = score(rows(sent), rows(got), BEGIN_S, 1.0)

    def took(packet: Packet, *, unaided: bool = False) -> float:
        came = (
            g[0]
            for g in got
            if (g[1], g[3], g[4]) == (packet[1], packet[3], packet[4]) and not (unaided and g[2])
        )
        return min(came, default=math.inf) - packet[0]

    frames: dict[int, list[float]] = {}
    for packet in sent:
        if packet[1] == VIDEO:
            frames.setdefault(packet[4], []).append(took(packet))
    late_frames = {stamp for stamp, times in frames.items() if max(times) > DEADLINE_S}
    useful = [
        packet
        for packet in sent
        if (packet[4] not in late_frames if packet[1] == VIDEO else took(packet) <= DEADLINE_S)
    ]
    assert result.packets == len(sent)
    assert result.packets_lost == sum(math.isinf(took(packet, unaided=True)) for packet in sent)
    assert (result.frames, result.frames_late) == (len(frames), len(late_frames))
    assert result.sounds_late == sum(took(packet) > DEADLINE_S for packet in sent if packet[1] == AUDIO)
    assert result.useful_bytes == SIZE * len(useful)


def test_playout_trades_delay_for_loss() -> None:
    # One packet in ten comes 250 ms later: waiting for it costs less than losing it.
    spread = np.where(np.arange(200) % 10 == 0, 0.30, 0.05)
    opinion, playout_s = best_playout(spread)
    assert playout_s == pytest.approx(0.30)
    assert opinion == pytest.approx(mos(0.32, 0.0))
    # One in a thousand does not pay for 350 ms of delay for all.
    rare = np.full(1000, 0.05)
    rare[500] = 0.40
    assert best_playout(rare)[1] == pytest.approx(0.05)


def test_sound_that_never_came_is_the_worst() -> None:
    assert best_playout(np.full(10, np.inf))[0] == pytest.approx(1.0)
