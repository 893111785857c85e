"""The figures of a report: which values go into which chart.  Pure."""

from collections.abc import Callable, Sequence
from typing import Final

from carnet.lab.report import chart, words
from carnet.lab.report.chart import Axis, Bar, Curve, Level, Row
from carnet.lab.result import DIRECT, Direction, Evening, Result
from carnet.lab.score import DEADLINE_S, GIVEN_UP_S, SLOT_S

_WAY_STYLES: Final = ("way0", "way1", "way2", "way3", "way4")

Half = Callable[[Result], Direction | None]


def down(result: Result) -> Direction | None:
    """Return what went to the student."""
    return result.down


def up(result: Result) -> Direction | None:
    """Return what the student sent."""
    return result.up


def held(evening: Evening, half: Half) -> list[tuple[Result, Direction]]:
    """Return the results that have this direction, in the order of the evening."""
    return [(result, direction) for result in evening.results if (direction := half(result)) is not None]


def frames_late(evening: Evening, half: Half) -> str:
    """Return frames too late over time, a row for each tunnel, to one scale."""
    found = held(evening, half)
    lines = [direction.score.timeline for _, direction in found]
    shares = (
        late / max(all_, 1)
        for line in lines
        for late, all_ in zip(line.frames_late, line.frames, strict=True)
    )
    scale = max(0.1, *shares) if found else 1.0
    bands = []
    for result, direction in found:
        line = direction.score.timeline
        steps = [
            [
                Bar(
                    result.tunnel,
                    late / max(frames, 1) / scale,
                    f"{at_s:g} s: {late} of {frames} frames too late",
                )
            ]
            for at_s, late, frames in zip(_times(line.frames), line.frames_late, line.frames, strict=True)
        ]
        note = words.share(direction.score.frames_late, direction.score.frames)
        bands.append(Row(result.title, note, steps))
    return chart.rows(bands, evening.seconds, _moments(evening))


def loss(evening: Evening, half: Half) -> str:
    """Return packets lost over time, a row for each tunnel, to one scale."""
    found = held(evening, half)
    most = max((value for _, direction in found for value in direction.score.timeline.loss), default=0.0)
    scale = max(most, 0.02)
    bands = []
    for result, direction in found:
        steps = [
            [Bar(result.tunnel, value / scale, f"{at_s:g} s: {100 * value:.1f} % lost")]
            for at_s, value in zip(
                _times(direction.score.timeline.loss), direction.score.timeline.loss, strict=True
            )
        ]
        note = words.share(direction.score.packets_lost, direction.score.packets)
        bands.append(Row(result.title, note, steps))
    return chart.rows(bands, evening.seconds, _moments(evening))


def delay_over_time(evening: Evening, half: Half) -> str:
    """Return the 95th percentile of packet delay over time."""
    lines = []
    for result, direction in held(evening, half):
        values = direction.score.timeline.delay_s
        points = [
            (at_s + SLOT_S / 2, value * 1000)
            for at_s, value in zip(_times(values), values, strict=True)
            if value is not None
        ]
        lines.append(Curve(result.tunnel, result.title, points))
    most = max((b for line in lines for _, b in line.points), default=100.0)
    return chart.curves(lines, _seconds(evening), chart.nice_axis("ms, 95th percentile", min(most, 1500.0)))


def delay_spread(evening: Evening, half: Half) -> str:
    """Return how many packets had arrived after how long."""
    lines = [
        Curve(
            result.tunnel,
            result.title,
            [(value * 1000, at) for at, value in enumerate(direction.score.delay_curve_s)],
        )
        for result, direction in held(evening, half)
    ]
    most = max((a for line in lines for a, b in line.points if b <= 99), default=100.0)
    least = min((a for line in lines for a, _ in line.points), default=0.0)
    x = chart.nice_axis("ms from sending to arrival", min(most, 1500.0), least=10 * (least // 10))
    return chart.curves(lines, x, Axis("% of the packets that arrived", 0, 100, [0, 25, 50, 75, 100]))


def frames_in_time(evening: Evening, half: Half) -> str:
    """Return how many frames were complete after how long."""
    found = held(evening, half)
    worst = max((d.score.frames_late / max(d.score.frames, 1) for _, d in found), default=0.0)
    # Where the worst tunnel had most in time, only the top half of the axis says anything.
    bottom = 50 if worst < 0.45 else 0
    lines = []
    for result, direction in found:
        curve = direction.score.frame_curve_s
        reached = [(value * 1000, at) for at, value in enumerate(curve) if value is not None and at >= bottom]
        # Beyond the last frame that was completed the line stays where it is.
        tail = [(GIVEN_UP_S * 1000, reached[-1][1])] if reached else []
        lines.append(Curve(result.tunnel, result.title, reached + tail))
    x = Axis("ms from sending until complete", 0, GIVEN_UP_S * 1000, [0, 200, 400, 600, 800, 1000])
    y = Axis("% of the frames", bottom, 100, range(bottom, 101, 10 if bottom else 25))
    return chart.curves(lines, x, y, (DEADLINE_S * 1000, "needed by now"))


def paths(evening: Evening, half: Half) -> str:
    """Return which ways carried the class over time, a row for each tunnel."""
    ways = way_names(evening)
    bands = []
    for result, direction in held(evening, half):
        most = max((sum(step.values()) for step in direction.paths), default=1) or 1
        steps = [
            [
                Bar(style, step.get(way, 0) / most, f"{at_s:g} s: {step.get(way, 0) / 1000:.0f} kB by {way}")
                for way, style in ways
            ]
            for at_s, step in zip(_times(direction.paths), direction.paths, strict=True)
        ]
        total = {way: sum(step.get(way, 0) for step in direction.paths) for way, _ in ways}
        bands.append(Row(result.title, max(total, key=lambda way: total[way], default=""), steps))
    return chart.rows(bands, evening.seconds, _moments(evening))


def way_names(evening: Evening) -> list[tuple[str, str]]:
    """Return the ways of the evening, each with its style class."""
    names = {way for _, direction in held(evening, down) for step in direction.paths for way in step}
    ordered = [DIRECT, *sorted(names - {DIRECT})]
    return [(name, _WAY_STYLES[number % len(_WAY_STYLES)]) for number, name in enumerate(ordered)]


def opinion(evening: Evening, half: Half) -> str:
    """Return the MOS of the sound; the scale begins at 1."""
    found = held(evening, half)
    return chart.levels(
        [Level(r.tunnel, r.title, d.score.mos - 1, f"{d.score.mos:.2f}") for r, d in found], most=3.5
    )


def still(evening: Evening, half: Half) -> str:
    """Return for how long the picture stood still."""
    found = held(evening, half)
    entries = []
    for result, direction in found:
        score = direction.score
        longest = words.milliseconds(score.longest_freeze_s)
        said = f"{score.frozen_s:.1f} s in {score.freezes}, at most {longest}" if score.freezes else "never"
        entries.append(Level(result.tunnel, result.title, score.frozen_s, said))
    return chart.levels(entries, most=max((entry.value for entry in entries), default=0.0))


def cost(evening: Evening, half: Half) -> str:
    """Return octets on the wire for each useful octet."""
    entries = [Level(r.tunnel, r.title, d.per_useful or 0.0, words.cost(d)) for r, d in held(evening, half)]
    return chart.levels(entries, most=min(max((entry.value for entry in entries), default=1.0), 5.0))


def download(evening: Evening) -> str:
    """Return the rate of the course download."""
    entries = [
        Level(result.tunnel, result.title, result.download.bits_per_s, words.download(result))
        for result in evening.results
        if result.download is not None
    ]
    return chart.levels(entries, most=max((entry.value for entry in entries), default=1.0))


def _times(steps: Sequence[object]) -> list[float]:
    return [number * SLOT_S for number in range(len(steps))]


def _seconds(evening: Evening) -> Axis:
    axis = chart.nice_axis("seconds of the class", evening.seconds)
    return Axis(axis.title, 0, evening.seconds, [mark for mark in axis.marks if mark <= evening.seconds])


def _moments(evening: Evening) -> list[tuple[float, str]]:
    seen = {(happening.at_s, happening.what) for result in evening.results for happening in result.happened}
    return sorted(seen)
