"""The result of an evening as one small picture for a README.  Pure: values in, SVG out."""

from html import escape
from typing import Final

from carnet.lab.report import figures, words
from carnet.lab.result import Direction, Evening, Result

_WIDTH: Final = 860
_ROW: Final = 62
_HEAD: Final = 92
_LEFT: Final = 190
_STRIP: Final = 440

_STYLE: Final = """text{font-family:system-ui,-apple-system,'Segoe UI',sans-serif;fill:#16202c}.soft{fill:#5b6876}.card{fill:#fff;stroke:#e3e7ec}
.none{fill:#e9edf2}.direct{fill:#7b8794}.wireguard{fill:#d1700b}.wireguard-relay{fill:#8a5cc2}.openvpn{fill:#a38a1c}.carnet{fill:#0a6cc9}
@media(prefers-color-scheme:dark){text{fill:#e8edf3}.soft{fill:#9aa7b5}.card{fill:#18212b;stroke:#2b3744}.none{fill:#2b3744}
.direct{fill:#98a4b1}.wireguard{fill:#f0973a}.wireguard-relay{fill:#b08be0}.openvpn{fill:#cdb548}.carnet{fill:#55aaf7}}"""


def picture(evening: Evening) -> str:
    """Return each tunnel's class as a film strip, the frames that came too late marked in its colour."""
    found = figures.held(evening, figures.down)
    height = _HEAD + len(found) * _ROW + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" role="img">',
        f"<title>{escape(words.headline(evening))}</title><style>{_STYLE}</style>",
        f'<rect class="card" x="0.5" y="0.5" width="{_WIDTH - 1}" height="{height - 1}" rx="14"/>',
        f'<text x="24" y="40" font-size="20" font-weight="650">{escape(words.headline(evening))}</text>',
        f'<text class="soft" x="24" y="66" font-size="14">{escape(evening.title)}</text>',
    ]
    for number, (result, direction) in enumerate(found):
        parts += _strip(result, direction, _HEAD + number * _ROW)
    foot = f"One class of {evening.seconds:g} s over each way. Marked: picture frames not complete 400 ms after sending."
    parts.append(f'<text class="soft" x="24" y="{height - 14}" font-size="12.5">{escape(foot)}</text></svg>')
    return "\n".join(parts)


def _strip(result: Result, direction: Direction, top: float) -> list[str]:
    score = direction.score
    line = score.timeline
    wide = _STRIP / len(line.frames)
    right = _LEFT + _STRIP + 18
    parts = [
        f'<text x="24" y="{top + 30}" font-size="16">{escape(result.title)}</text>',
        f'<rect class="none" x="{_LEFT}" y="{top + 6}" width="{_STRIP}" height="38" rx="4"/>',
        f'<text x="{right}" y="{top + 24}" font-size="18" font-weight="650">{words.share(score.frames_late, score.frames)} late</text>',
        f'<text class="soft" x="{right}" y="{top + 42}" font-size="13">sound {score.mos:.2f}, bytes x {words.cost(direction)}</text>',
    ]
    for step, (late, frames) in enumerate(zip(line.frames_late, line.frames, strict=True)):
        if late:
            size = max(3.0, 38 * late / max(frames, 1))
            left = _LEFT + step * wide
            parts.append(
                f'<rect class="{escape(result.tunnel)}" x="{left:.2f}" y="{top + 44 - size:.2f}" width="{max(wide - 0.6, 1):.2f}" height="{size:.2f}"/>'
            )
    return parts
