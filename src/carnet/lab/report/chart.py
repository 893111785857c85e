"""Charts as inline SVG.  Pure: values in, markup out; colours come from the page's style sheet by class.

Two kinds are all a report needs: `curves` (lines over one pair of axes) and `rows` (one band of bars for each
tunnel over a common time axis).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 560
_LEFT: Final = 46
_RIGHT: Final = 12
_TOP: Final = 10
_BOTTOM: Final = 34
_NAME: Final = 124
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
    style: str
    note: str
    steps: Sequence[Sequence[Bar]]


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
    """Return an axis to at least `most` with three to six round marks."""
    span = max(most - least, 1e-9)
    power = 10.0 ** len(str(int(span)))
    while power > span / 2:
        power /= 10
    step = next(power * times for times in (1, 2, 2.5, 5, 10, 20) if span / (power * times) <= 5)
    count = int(-(-span // step))
    return Axis(title, least, least + count * step, [least + step * mark for mark in range(count + 1)])


def curves(lines: Sequence[Curve], x: Axis, y: Axis, limit: tuple[float, str] | None = None) -> str:
    """Return lines over axes; `limit` is a value of x to mark, and its name."""
    height = 250
    inner_w, inner_h = WIDTH - _LEFT - _RIGHT, height - _TOP - _BOTTOM
    parts = [_open(height)]
    for mark in y.marks:
        top = _TOP + inner_h * (1 - y.place(mark))
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{top:.1f}" y2="{top:.1f}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 6}" y="{top + 4:.1f}" text-anchor="end">{mark:g}</text>')
    for mark in x.marks:
        left = _LEFT + inner_w * x.place(mark)
        parts.append(f'<text class="tick" x="{left:.1f}" y="{height - 18}" text-anchor="middle">{mark:g}</text>')
    parts.append(f'<text class="tick" x="{WIDTH - _RIGHT}" y="{height - 4}" text-anchor="end">{escape(x.title)}</text>')
    parts.append(f'<text class="tick" x="{_LEFT + 4}" y="{_TOP + 10}">{escape(y.title)}</text>')
    if limit is not None:
        left = _LEFT + inner_w * x.place(limit[0])
        parts.append(f'<line class="limit" x1="{left:.1f}" x2="{left:.1f}" y1="{_TOP}" y2="{_TOP + inner_h}"/>')
        parts.append(
            f'<text class="tick" x="{left - 5:.1f}" y="{_TOP + inner_h - 6}" text-anchor="end">{escape(limit[1])}</text>'
        )
    for line in lines:
        points = " ".join(
            f"{_LEFT + inner_w * x.place(a):.1f},{_TOP + inner_h * (1 - y.place(b)):.1f}" for a, b in line.points
        )
        parts.append(f'<polyline class="line {line.style}" points="{points}"><title>{escape(line.name)}</title></polyline>')
    return "".join([*parts, "</svg>"])


def rows(bands: Sequence[Row], seconds: float, moments: Sequence[tuple[float, str]] = ()) -> str:
    """Return a band of bars for each row over `seconds`; `moments` are times to mark, with what happened."""
    height = _TOP + len(bands) * _ROW + _BOTTOM
    right = 74
    inner = WIDTH - _NAME - right
    parts = [_open(height)]
    for number, band in enumerate(bands):
        base = _TOP + number * _ROW + _ROW - 8
        parts.append(f'<text class="name" x="0" y="{base - 6}">{escape(band.name)}</text>')
        parts.append(f'<line class="grid" x1="{_NAME}" x2="{_NAME + inner}" y1="{base}" y2="{base}"/>')
        parts.append(f'<text class="note" x="{WIDTH}" y="{base - 6}" text-anchor="end">{escape(band.note)}</text>')
        parts += _bars(band, base, inner)
    axis = nice_axis("seconds", seconds)
    bottom = _TOP + len(bands) * _ROW
    for mark in (mark for mark in axis.marks if mark <= seconds):
        left = _NAME + inner * mark / seconds
        parts.append(f'<text class="tick" x="{left:.1f}" y="{bottom + 14}" text-anchor="middle">{mark:g}</text>')
    for at_s, what in moments:
        left = _NAME + inner * at_s / seconds
        parts.append(
            f'<line class="limit" x1="{left:.1f}" x2="{left:.1f}" y1="{_TOP}" y2="{bottom}"><title>{escape(what)}</title></line>'
        )
    parts.append(f'<text class="tick" x="{_NAME + inner}" y="{bottom + 28}" text-anchor="end">seconds of the class</text>')
    return "".join([*parts, "</svg>"])


def _bars(band: Row, base: float, inner: float) -> list[str]:
    tall, wide = _ROW - 12, inner / max(len(band.steps), 1)
    parts: list[str] = []
    for step, stacked in enumerate(band.steps):
        foot = base
        for bar in stacked:
            size = tall * min(max(bar.height, 0.0), 1.0)
            if size <= 0:
                continue
            size = max(size, 1.2)
            foot -= size
            parts.append(
                f'<rect class="bar {bar.style}" x="{_NAME + step * wide + 0.5:.2f}" y="{foot:.2f}" width="{max(wide - 1, 0.5):.2f}"'
                f' height="{size:.2f}"><title>{escape(bar.tip)}</title></rect>'
            )
    return parts


def levels(entries: Sequence[tuple[str, str, float, str]], most: float) -> str:
    """Return one horizontal bar for each entry: style class, name, value, and the value in words."""
    height = len(entries) * 28 + 6
    right = 150
    inner = WIDTH - _NAME - right
    parts = [_open(height)]
    for number, (style, name, value, said) in enumerate(entries):
        top = 4 + number * 28
        size = inner * min(max(value, 0.0) / most, 1.0) if most > 0 else 0.0
        parts.append(f'<text class="name" x="0" y="{top + 15}">{escape(name)}</text>')
        parts.append(f'<rect class="bar {style}" rx="2" x="{_NAME}" y="{top + 3}" width="{max(size, 1.5):.1f}" height="15"/>')
        parts.append(f'<text class="note" x="{_NAME + size + 8:.1f}" y="{top + 15}">{escape(said)}</text>')
    return "".join([*parts, "</svg>"])


def _open(height: float) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" preserveAspectRatio="xMinYMin meet">'
