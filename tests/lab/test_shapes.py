"""Packet shapes: generated ones have the recorded figures, recorded ones are what the file says."""

from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carnet.errors import MisuseError
from carnet.lab.shapes import LEAST_BYTES, MOST_BYTES, Packet, generated, recorded

TABLE = "time_ms,direction,udp_payload_bytes\n0.0,down,161\n10.0,up,40\n20.0,down,5\n40.0,down,2000\n"

RECORDINGS = Path(__file__).resolve().parents[3] / "shared" / "traffic"
"""A directory of recordings to check the tables against, where there is one."""


# Packets a second and mean octets of the recordings the tables were made from.
FIGURES = [
    ("voice", "down", 67.1, 141.6),
    ("voice", "up", 27.6, 63.4),
    ("share", "down", 35.7, 452.2),
    ("share", "up", 25.9, 61.6),
    ("voice-share", "down", 42.3, 129.7),
    ("voice-share", "up", 42.0, 78.0),
]


@pytest.mark.parametrize(("shape", "direction", "packets_per_s", "octets"), FIGURES)
def test_a_generated_shape_has_the_recorded_rate_and_size(
    shape: str, direction: str, packets_per_s: float, octets: float
) -> None:
    packets = generated(shape, direction, 600.0, seed=1)
    assert len(packets) / 600 == pytest.approx(packets_per_s, rel=0.15)
    assert mean(packet.size for packet in packets) == pytest.approx(octets, rel=0.15)
    assert all(a.at_s <= b.at_s for a, b in pairwise(packets))
    assert all(LEAST_BYTES <= packet.size <= MOST_BYTES for packet in packets)


def test_the_same_seed_gives_the_same_packets_and_another_gives_others() -> None:
    assert generated("voice", "down", 5, seed=1) == generated("voice", "down", 5, seed=1)
    assert generated("voice", "down", 5, seed=1) != generated("voice", "down", 5, seed=2)


def test_an_unknown_shape_names_those_there_are() -> None:
    with pytest.raises(MisuseError, match="voice-share"):
        generated("song", "down", 1, seed=1)


def test_a_recording_is_replayed_and_repeated() -> None:
    assert recorded(TABLE, "down", 0.07) == [
        Packet(0.0, 161),
        Packet(0.02, LEAST_BYTES),
        Packet(0.04, MOST_BYTES),
        Packet(0.04, 161),
        Packet(0.06, LEAST_BYTES),
    ]
    assert recorded(TABLE, "up", 0.07) == [Packet(0.01, 40), Packet(0.05, 40)]


@pytest.mark.parametrize(
    "text", ["", "time_ms\n1\n", TABLE + "x,down,1\n", TABLE + "1,down,9\n", TABLE.replace("down", "left")]
)
def test_a_table_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(MisuseError, match=r"line \d|no packets"):
        recorded(text, "down", 1.0)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_a_recording_or_a_misuse(text: str) -> None:
    with suppress(MisuseError):
        recorded("time_ms,direction,udp_payload_bytes\n" + text, "down", 1.0)


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="no recordings in ../shared/traffic beside this checkout")
@pytest.mark.parametrize("direction", ["down", "up"])
def test_real_recordings_are_read_to_their_end(direction: str) -> None:
    for path in RECORDINGS.glob("*.csv"):
        assert len(recorded(path.read_text("utf-8"), direction, 59.0)) > 1000
