"""Draws and speaks a made-up lecture: moving slides, a timer, a teacher's picture, speech-like sound.

Pure: a frame number or a sample range in, arrays out; the same seed gives the same lecture.  It shows
nobody and says nothing, so that a recording of the lab can be given to anyone.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

FRAMES_PER_S: Final = 25
SAMPLE_HZ: Final = 48_000
SLIDE_S: Final = 6.4
"""Seconds until the next slide has moved in.  Slides never stop moving: a picture that costs the same all the
time is what lets an encoder keep a line's rate from second to second, as those of calls do."""

Plane = NDArray[np.uint8]

# Seven-segment digits: which of the segments a..g (top, right up, right down, bottom, left down, left up,
# middle) are lit, one bit each from the lowest.
_SEGMENTS: Final = (0x3F, 0x06, 0x5B, 0x4F, 0x66, 0x6D, 0x7D, 0x07, 0x7F, 0x6F)
_SLIDES: Final = 5


class Picture:
    """The lecture as frames of planar 4:2:0, `height` by `width` (both multiples of 16)."""

    def __init__(self, width: int, height: int, seed: int) -> None:
        self._width, self._height = width, height
        random = np.random.default_rng(seed)
        self._slides = np.concatenate([_slide(width, height, random) for _ in range(_SLIDES)], axis=1)
        # Noise that never repeats within a second: film grain is what keeps an encoder honest about rate.
        self._grain = random.normal(0, 6, size=(FRAMES_PER_S, height // 4, width // 4))

    def frame(self, index: int) -> NDArray[np.uint8]:
        """Return frame `index` (>= 0) as the (height * 3 / 2, width) array of a yuv420p frame."""
        seconds = index / FRAMES_PER_S
        luma = self._moved(index)
        self._draw_teacher(luma, index)
        self._draw_timer(luma, seconds)
        self._draw_pointer(luma, seconds)
        tint = np.full((self._height // 2, self._width), 128, np.uint8)
        tint[: self._height // 4] = 122
        return np.concatenate((luma, tint))

    def _moved(self, index: int) -> Plane:
        # A whole number of pairs of pixels a frame, as a scroll is: anything else blurs.
        step = max(2, round(self._width / (SLIDE_S * FRAMES_PER_S) / 2) * 2)
        column = index * step % self._slides.shape[1]
        seen = self._slides[:, column : column + self._width]
        missing = self._width - seen.shape[1]
        return np.concatenate((seen, self._slides[:, :missing]), axis=1)

    def _draw_teacher(self, luma: Plane, index: int) -> None:
        height, width = self._height // 4, self._width // 4
        y, x = np.mgrid[0:height, 0:width]
        angle = index / FRAMES_PER_S * 1.3
        centre_x, centre_y = (
            width * (0.5 + 0.12 * np.sin(angle)),
            height * (0.45 + 0.06 * np.cos(1.7 * angle)),
        )
        away = np.hypot((x - centre_x) / width * 2.4, (y - centre_y) / height * 2.0)
        face = 70 + 120 * np.exp(-4 * away**2) + 18 * np.sin(x / 9 + 3 * angle) * np.cos(y / 7 - 2 * angle)
        face += self._grain[index % FRAMES_PER_S]
        luma[-height - 8 : -8, -width - 8 : -8] = np.clip(face, 16, 235).astype(np.uint8)

    def _draw_timer(self, luma: Plane, seconds: float) -> None:
        digit = self._height // 12
        tenths = int(seconds * 10) % 10_000
        for place, value in enumerate(f"{tenths:04d}"):
            _draw_digit(luma, int(value), left=16 + place * digit, top=12, height=digit)

    def _draw_pointer(self, luma: Plane, seconds: float) -> None:
        x = int(self._width * (0.4 + 0.3 * np.sin(seconds * 0.9)))
        y = int(self._height * (0.5 + 0.3 * np.sin(seconds * 1.4 + 1)))
        size = self._height // 60
        luma[y - size : y + size, x - size : x + size] = 60


def _slide(width: int, height: int, random: np.random.Generator) -> Plane:
    slide = np.full((height, width), 232, np.uint8)
    slide[: height // 8] = int(random.integers(90, 190))
    line = height // 18
    for top in range(height // 5, height - 2 * line, line + line // 2):
        left = width // 16
        while left < width * 0.7:
            word = int(random.integers(line, 5 * line))
            slide[top : top + line // 2, left : left + word] = 40
            # Strokes instead of solid bars: text has edges, and edges cost bits.
            slide[top : top + line // 2, left : left + word : 4] = 200
            left += word + line // 2
    return slide


def _draw_digit(luma: Plane, value: int, left: int, top: int, height: int) -> None:
    width, thick, half = height // 2, max(2, height // 10), height // 2
    boxes = (
        (0, 0, thick, width),
        (0, width - thick, half, thick),
        (half, width - thick, half, thick),
        (height - thick, 0, thick, width),
        (half, 0, half, thick),
        (0, 0, half, thick),
        (half - thick // 2, 0, thick, width),
    )
    for segment, (down, right, tall, wide) in enumerate(boxes):
        if _SEGMENTS[value] >> segment & 1:
            luma[top + down : top + down + tall, left + right : left + right + wide] = 20


def speech(seconds: float, seed: int) -> NDArray[np.int16]:
    """Return mono sound at `SAMPLE_HZ`: voiced syllables with moving formants, and pauses between phrases.

    About four syllables a second and a pause of half a second after about ten: the rhythm of slow speech.
    """
    random = np.random.default_rng(seed)
    total = int(seconds * SAMPLE_HZ)
    sound = np.zeros(total)
    position = 0
    while position < total:
        for _ in range(int(random.integers(6, 14))):
            syllable = _syllable(random)
            end = min(position + len(syllable), total)
            sound[position:end] += syllable[: end - position]
            position += int(len(syllable) * 0.9)
            if position >= total:
                break
        position += int(random.uniform(0.3, 0.7) * SAMPLE_HZ)
    loudest = max(float(np.abs(sound).max()), 1e-9)
    return (sound / loudest * 20_000).astype(np.int16)


def _syllable(random: np.random.Generator) -> NDArray[np.float64]:
    length = int(random.uniform(0.16, 0.32) * SAMPLE_HZ)
    time = np.arange(length) / SAMPLE_HZ
    pitch = random.uniform(95, 150) * (1 - 0.15 * time / time[-1])
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_HZ
    formants = (random.uniform(300, 850), random.uniform(900, 2300), random.uniform(2300, 3200))
    voiced = np.zeros(length)
    for harmonic in range(1, 28):
        loudness = sum(np.exp(-(((harmonic * 120 - formant) / 180) ** 2)) for formant in formants)
        voiced += loudness / harmonic**0.3 * np.sin(harmonic * phase)
    hiss = random.normal(0, 0.4, length) * (time < 0.04)
    shaped: NDArray[np.float64] = (voiced + hiss) * np.sin(np.pi * np.clip(time / time[-1], 0, 1)).clip(
        0
    ) ** 0.7
    return shaped
