"""Encodes the lecture ahead of the call and keeps it: a call on two cores must not pay for an encoder.

A `Recording` is a list of encoded units; `recording` makes one or reads it from the user's cache.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final
from zipfile import BadZipFile

import av
import numpy as np

from carnet.errors import MisuseError
from carnet.lab.call.lecture import FRAMES_PER_S, SAMPLE_HZ, Picture, speech

LOOP_S: Final = 30
"""Length of the lecture; a longer call plays it again."""
AUDIO_UNIT_S: Final = 0.020
VIDEO_HZ: Final = 90_000
KEYFRAME_EVERY: Final = 10 * FRAMES_PER_S
AUDIO_BPS: Final = 32_000

_EDITION: Final = 3
"""Part of the cache's key: raise it when the lecture or its encoding changes."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One encoded medium: units in order, all of one duration."""

    units: tuple[bytes, ...]
    unit_ticks: int
    """Duration of a unit in ticks of `clock_hz`."""
    clock_hz: int

    @property
    def bits_per_s(self) -> float:
        """Mean rate of the payload."""
        seconds = len(self.units) * self.unit_ticks / self.clock_hz
        return sum(map(len, self.units)) * 8 / seconds

    @property
    def time_base(self) -> Fraction:
        """The unit of timestamps, as codecs want it."""
        return Fraction(1, self.clock_hz)


def video(width: int, height: int, bits_per_s: int, seed: int) -> Recording:
    """Return the lecture's picture as VP8 at a constant rate, from the cache if it is there.

    Raises:
        MisuseError: a side is no multiple of 16, or the rate is under 50 kbit/s.
    """
    if width % 16 or height % 16 or bits_per_s < 50_000:
        raise MisuseError(
            f"a picture needs sides in multiples of 16 and 50 kbit/s, got {width}x{height} at {bits_per_s}"
        )
    key = f"vp8-{width}x{height}-{bits_per_s}-{seed}"
    units = _cached(key, lambda: _encode_video(width, height, bits_per_s, seed))
    return Recording(units, VIDEO_HZ // FRAMES_PER_S, VIDEO_HZ)


def audio(seed: int) -> Recording:
    """Return the lecture's sound as Opus in units of 20 ms, from the cache if it is there."""
    units = _cached(f"opus-{AUDIO_BPS}-{seed}", lambda: _encode_audio(seed))
    return Recording(units, int(AUDIO_UNIT_S * SAMPLE_HZ), SAMPLE_HZ)


def _encode_video(width: int, height: int, bits_per_s: int, seed: int) -> Iterator[bytes]:
    codec = av.CodecContext.create("libvpx", "w")
    codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
    codec.time_base = Fraction(1, FRAMES_PER_S)
    codec.framerate = Fraction(FRAMES_PER_S)
    codec.bit_rate = bits_per_s
    codec.gop_size = KEYFRAME_EVERY
    codec.options = {
        "deadline": "realtime",
        "cpu-used": "-8",
        "lag-in-frames": "0",
        "minrate": str(bits_per_s),
        "maxrate": str(bits_per_s),
        "bufsize": str(bits_per_s // 2),
        # A whole picture may weigh six ordinary ones, so that a line's queue survives it; calls do the same.
        "max-intra-rate": "600",
        "undershoot-pct": "5",
        "overshoot-pct": "5",
    }
    codec.qmin, codec.qmax = 2, 56
    picture = Picture(width, height, seed)
    for index in range(LOOP_S * FRAMES_PER_S):
        frame = av.VideoFrame.from_ndarray(picture.frame(index), format="yuv420p")
        frame.pts = index
        frame.time_base = codec.time_base
        yield from (bytes(packet) for packet in codec.encode(frame))
    yield from (bytes(packet) for packet in codec.encode(None))


def _encode_audio(seed: int) -> Iterator[bytes]:
    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format = SAMPLE_HZ, "mono", "s16"
    codec.bit_rate = AUDIO_BPS
    codec.options = {"application": "voip", "frame_duration": "20", "vbr": "off"}
    sound = speech(LOOP_S, seed)
    samples = int(AUDIO_UNIT_S * SAMPLE_HZ)
    for start in range(0, len(sound), samples):
        frame = av.AudioFrame.from_ndarray(
            sound[start : start + samples].reshape(1, -1), format="s16", layout="mono"
        )
        frame.sample_rate = SAMPLE_HZ
        frame.pts = start
        yield from (bytes(packet) for packet in codec.encode(frame))


def _cached(key: str, encode: Callable[[], Iterator[bytes]]) -> tuple[bytes, ...]:
    path = cache_dir() / f"{key}-{_EDITION}-{LOOP_S}.npz"
    try:
        with path.open("rb") as file, np.load(file) as kept:
            edges = np.cumsum(kept["lengths"])
            blob = kept["bytes"].tobytes()
    except (OSError, ValueError, KeyError, BadZipFile):
        units = tuple(encode())
        _keep(path, units)
        return units
    return tuple(blob[end - size : end] for end, size in zip(edges, np.diff(edges, prepend=0), strict=True))


def cache_dir() -> Path:
    """Return where recordings are kept: the user's cache, or a temporary directory where there is none."""
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    home = Path(chosen) if chosen else Path.home() / ".cache"
    try:
        (home / "carnet").mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.gettempdir())
    return home / "carnet"


def _keep(path: Path, units: tuple[bytes, ...]) -> None:
    """Write a recording where all of it or nothing appears; a cache that cannot be written is no error."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npz", delete=False) as file:
            np.savez(
                file,
                lengths=np.array([len(unit) for unit in units], np.int64),
                bytes=np.frombuffer(b"".join(units), np.uint8),
            )
        Path(file.name).replace(path)
    except OSError:
        return
