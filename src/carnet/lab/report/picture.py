"""The result of an evening as one small picture for a README.  Pure: values in, SVG out."""

from html import escape
from importlib import resources
from typing import Final

from carnet.lab.report import figures, words
from carnet.lab.report.chart import box, text
from carnet.lab.result import Direction, Evening, Result

_WIDTH: Final = 860
_ROW: Final = 62
_HEAD: Final = 92
_LEFT: Final = 200
_STRIP: Final = 430
_TALL: Final = 38

_STYLE: Final = (resources.files("carnet.lab.report") / "picture.css").read_text("utf-8")


def picture(evening: Evening) -> str:
    """Return each tunnel's class as a film strip, the frames that came too late marked in its colour."""
    found = figures.held(evening, figures.down)
    height = _HEAD + len(found) * _ROW + 34
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    foot = f"One class of {evening.seconds:g} s over each. Marked: frames not complete 400 ms after sending."
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{escape(words.headline(evening))}</title><style>{_STYLE}</style>",
        box("card", 0.5, 0.5, _WIDTH - 1, height - 1, radius=14),
        text("", 24, 40, words.headline(evening), 'font-size="18.5" font-weight="650"'),
        text("soft", 24, 66, evening.title, 'font-size="14"'),
    ]
    for number, (result, direction) in enumerate(found):
        parts += _strip(result, direction, _HEAD + number * _ROW)
    parts.append(text("soft", 24, height - 14, foot, 'font-size="12.5"') + "</svg>")
    return "\n".join(parts)


def _strip(result: Result, direction: Direction, top: float) -> list[str]:
    score = direction.score
    right = _LEFT + _STRIP + 18
    late = f"{words.share(score.frames_late, score.frames)} late"
    parts = [
        text("", 24, top + 30, result.title, 'font-size="16"'),
        box("none", _LEFT, top + 6, _STRIP, _TALL, radius=4),
        text("", right, top + 24, late, 'font-size="18" font-weight="650"'),
        text(
            "soft",
            right,
            top + 42,
            f"sound {score.mos:.2f}, bytes x {words.cost(direction)}",
            'font-size="13"',
        ),
    ]
    line = score.timeline
    wide = _STRIP / len(line.frames)
    for step, (missed, frames) in enumerate(zip(line.frames_late, line.frames, strict=True)):
        if missed:
            # A single late frame must still be seen.
            size = max(3.0, _TALL * missed / max(frames, 1))
            left = _LEFT + step * wide
            parts.append(box(result.tunnel, left, top + 6 + _TALL - size, max(wide - 0.6, 1.0), size))
    return parts
