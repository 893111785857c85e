"""Charts as inline SVG.  Pure: values in, markup out; colours come from the page's style sheet by class.

Three kinds are all a report needs: `curves` (lines over one pair of axes), `rows` (one band of bars for each
tunnel over a common time axis) and `levels` (one bar for each tunnel).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 560
_LEFT: Final = 46
_RIGHT: Final = 12
_TOP: Final = 10
_CAPTION: Final = 14
"""Room above a plot for what its upright axis shows."""
_BOTTOM: Final = 36
_HEIGHT: Final = 252
_NAME: Final = 136
"""Room for a row's name."""
_ROW: Final = 34


@dataclass(frozen=True, slots=True)
class Curve:
    """One line: a style class, a name, points in the units of the axes."""

    style: str
    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a row: a style class and a height from 0 to 1."""

    style: str
    height: float
    tip: str


@dataclass(frozen=True, slots=True)
class Row:
    """One band: its name, what stands at its end, and for each step the bars stacked there."""

    name: str
    note: str
    steps: Sequence[Sequence[Bar]]


@dataclass(frozen=True, slots=True)
class Level:
    """One horizontal bar: a style class, a name, its length, and what it says."""

    style: str
    name: str
    value: float
    said: str


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: from `least` to `most`, a mark at each of `marks`, titled with its unit."""

    title: str
    least: float
    most: float
    marks: Sequence[float]

    def place(self, value: float) -> float:
        """Return where a value lies, 0 to 1."""
        inside = min(max(value, self.least), self.most)
        return (inside - self.least) / (self.most - self.least)


def nice_axis(title: str, most: float, least: float = 0.0) -> Axis:
    """Return an axis from `least` to at least `most` with three to six round marks."""
    span = max(most - least, 1e-9)
    power = 10.0 ** (len(str(int(span))) + 1)
    while power > span:
        power /= 10
    step = next(power * times for times in (0.2, 0.25, 0.5, 1, 2, 2.5, 5, 10) if span / (power * times) <= 5)
    count = max(1, int(-(-span // step)))
    return Axis(title, least, least + count * step, [least + step * mark for mark in range(count + 1)])


def box(
    style: str, x: float, y: float, width: float, height: float, *, radius: float = 0.0, tip: str = ""
) -> str:
    """Return a filled rectangle, with a tip for the pointer if there is one."""
    round_ = f' rx="{radius:g}"' if radius else ""
    size = f'x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}"{round_}'
    inside = f"<title>{escape(tip)}</title>" if tip else ""
    return f'<rect class="{escape(style)}" {size}>{inside}</rect>'


def text(style: str, x: float, y: float, said: str, more: str = "") -> str:
    """Return a line of text starting at x, y; `more` are further attributes."""
    return f'<text class="{escape(style)}" x="{x:.1f}" y="{y:.1f}" {more}>{escape(said)}</text>'


def _line(style: str, start: tuple[float, float], end: tuple[float, float], tip: str = "") -> str:
    ends = f'x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"'
    inside = f"<title>{escape(tip)}</title>" if tip else ""
    return f'<line class="{style}" {ends}>{inside}</line>'


_END: Final = 'text-anchor="end"'
_MIDDLE: Final = 'text-anchor="middle"'


def curves(lines: Sequence[Curve], x: Axis, y: Axis, limit: tuple[float, str] | None = None) -> str:
    """Return lines over axes; `limit` is a value of x to mark, and its name."""
    wide, tall = WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _CAPTION - _BOTTOM
    top = _TOP + _CAPTION
    floor = top + tall

    def at(a: float, b: float) -> tuple[float, float]:
        return _LEFT + wide * x.place(a), top + tall * (1 - y.place(b))

    parts = [_open(_HEIGHT)]
    for mark in y.marks:
        height = at(x.least, mark)[1]
        parts.append(_line("grid", (_LEFT, height), (WIDTH - _RIGHT, height)))
        parts.append(text("tick", _LEFT - 6, height + 4, f"{mark:g}", _END))
    parts += [text("tick", at(mark, y.least)[0], floor + 16, f"{mark:g}", _MIDDLE) for mark in x.marks]
    parts.append(text("tick", WIDTH - _RIGHT, floor + 32, x.title, _END))
    parts.append(text("tick", 0, _TOP + 2, y.title))
    if limit is not None:
        left = at(limit[0], y.least)[0]
        parts.append(_line("limit", (left, top), (left, floor)))
        parts.append(text("tick", left + 6, floor - 8, limit[1]))
    for line in lines:
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in (at(*point) for point in line.points))
        name = f"<title>{escape(line.name)}</title>"
        parts.append(f'<polyline class="line {line.style}" points="{points}">{name}</polyline>')
    return "".join([*parts, "</svg>"])


def rows(bands: Sequence[Row], seconds: float, moments: Sequence[tuple[float, str]] = ()) -> str:
    """Return a band of bars for each row over `seconds`; `moments` are times to mark, with what happened."""
    bottom = _TOP + len(bands) * _ROW
    wide = WIDTH - _NAME - 76
    parts = [_open(bottom + _BOTTOM)]
    for number, band in enumerate(bands):
        base = _TOP + number * _ROW + _ROW - 8
        parts.append(text("name", 0, base - 5, band.name))
        parts.append(_line("grid", (_NAME, base), (_NAME + wide, base)))
        parts.append(text("note", WIDTH, base - 5, band.note, _END))
        parts += _bars(band, base, wide)
    for mark in (mark for mark in nice_axis("", seconds).marks if mark <= seconds):
        parts.append(text("tick", _NAME + wide * mark / seconds, bottom + 14, f"{mark:g}", _MIDDLE))
    for at_s, what in moments:
        left = _NAME + wide * at_s / seconds
        parts.append(_line("limit", (left, _TOP), (left, bottom), what))
    parts.append(text("tick", _NAME + wide, bottom + 30, "seconds of the class", _END))
    return "".join([*parts, "</svg>"])


def _bars(band: Row, base: float, wide: float) -> list[str]:
    tall, step_wide = _ROW - 12, wide / max(len(band.steps), 1)
    parts: list[str] = []
    for step, stacked in enumerate(band.steps):
        foot = base
        for bar in stacked:
            if bar.height <= 0:
                continue
            # However little it is, it must be seen.
            size = max(tall * min(bar.height, 1.0), 1.2)
            foot -= size
            left = _NAME + step * step_wide + 0.5
            parts.append(box(f"bar {bar.style}", left, foot, max(step_wide - 1, 0.5), size, tip=bar.tip))
    return parts


def levels(entries: Sequence[Level], most: float) -> str:
    """Return one horizontal bar for each entry, the longest at `most`."""
    wide = WIDTH - _NAME - 200
    parts = [_open(len(entries) * 28 + 6)]
    for number, entry in enumerate(entries):
        top = 4 + number * 28
        size = wide * min(max(entry.value, 0.0) / most, 1.0) if most > 0 else 0.0
        parts.append(text("name", 0, top + 15, entry.name))
        parts.append(box(f"bar {entry.style}", _NAME, top + 3, max(size, 1.5), 15, radius=2))
        parts.append(text("note", _NAME + size + 8, top + 15, entry.said))
    return "".join([*parts, "</svg>"])


def _open(height: float) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" preserveAspectRatio="xMinYMin meet">'
