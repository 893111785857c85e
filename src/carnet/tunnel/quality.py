"""How good a call is, by the same formulas in `status`, in the lab and in reports.  Pure.

MOS by ITU-T G.107 (the E-model) for G.711 with packet loss concealment (G.113 appendix I:
Ie 0, Bpl 25.1); freezes as WebRTC's statistics define them (W3C webrtc-stats, freezeCount).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

RATING_MOST = 93.2
LOSS_ROBUSTNESS_PERCENT = 25.1
"""Bpl: the loss, in per cent, that costs half of what loss can cost."""
FREEZE_EXTRA_S = 0.150
FREEZE_TIMES_MEAN = 3.0


def delay_impairment(delay_s: float) -> float:
    """Return Idd for a one-way delay from mouth to ear in seconds (G.107 s7.4, formula 7-28)."""
    if delay_s <= 0.1:
        return 0.0
    x = math.log2(delay_s / 0.1)
    return 25 * (math.pow(1 + x**6, 1 / 6) - 3 * math.pow(1 + (x / 3) ** 6, 1 / 6) + 2)


def loss_impairment(loss: float, burst_ratio: float = 1.0) -> float:
    """Return Ie,eff for a share of packets lost, 0..1 (G.107 s7.5, formula 7-29).

    `burst_ratio` is the mean length of loss bursts over that of random loss at the same
    rate; 1 is random.
    """
    percent = 100 * min(max(loss, 0.0), 1.0)
    return 95 * percent / (percent / max(burst_ratio, 1.0) + LOSS_ROBUSTNESS_PERCENT)


def rating(delay_s: float, loss: float, burst_ratio: float = 1.0) -> float:
    """Return R, 0..93.2: the transmission rating."""
    return max(RATING_MOST - delay_impairment(delay_s) - loss_impairment(loss, burst_ratio), 0.0)


def mos(delay_s: float, loss: float, burst_ratio: float = 1.0) -> float:
    """Return the mean opinion score, 1 (bad) to 4.4 (G.107 annex B)."""
    r = rating(delay_s, loss, burst_ratio)
    return max(1 + 0.035 * r + 7e-6 * r * (r - 60) * (100 - r), 1.0)


def burst_ratio(lost: float, bursts: float, received: float) -> float:
    """Return the measured mean burst over the one expected of random loss, at least 1.

    Random loss at rate p has bursts of 1/(1-p) on average (G.107 s3.1).
    """
    if lost <= 0 or bursts < 0.5 or received <= 0:
        return 1.0
    expected = (lost + received) / received
    return max(lost / bursts / expected, 1.0)


@dataclass(frozen=True, slots=True)
class Freezes:
    """What a viewer saw stand still."""

    count: int
    total_s: float
    longest_s: float


def freezes(shown_at_s: Sequence[float]) -> Freezes:
    """Count the freezes in the times at which frames were shown, in order.

    A gap is a freeze when it is at least max(3 x mean, mean + 150 ms) of the mean gap.
    W3C takes the mean over the last 30 frames before the gap; so does this.
    """
    gaps: list[float] = []
    frozen: list[float] = []
    for before, after in pairwise(shown_at_s):
        gap = after - before
        recent = gaps[-30:]
        if recent:
            mean = sum(recent) / len(recent)
            if gap >= max(FREEZE_TIMES_MEAN * mean, mean + FREEZE_EXTRA_S):
                frozen.append(gap)
        gaps.append(gap)
    return Freezes(len(frozen), sum(frozen), max(frozen, default=0.0))
