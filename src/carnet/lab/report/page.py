"""The report as one HTML file that needs nothing else: no network, no script, light and dark, wide and narrow."""

from html import escape
from typing import Final

from carnet.lab.report import figures, words
from carnet.lab.report.figures import Half
from carnet.lab.result import Evening, Result
from carnet.lab.score import DEADLINE_S, GIVEN_UP_S

_STYLE: Final = """
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#16202c;--soft:#5b6876;--grid:#e3e7ec;--limit:#16202c;
--direct:#7b8794;--wireguard:#d1700b;--wireguard-relay:#8a5cc2;--openvpn:#a38a1c;--carnet:#0a6cc9;
--way0:#7b8794;--way1:#0a6cc9;--way2:#12936f;--way3:#c2528b;--way4:#d1700b}
@media(prefers-color-scheme:dark){:root{--page:#0f151c;--card:#18212b;--ink:#e8edf3;--soft:#9aa7b5;--grid:#2b3744;--limit:#e8edf3;
--direct:#98a4b1;--wireguard:#f0973a;--wireguard-relay:#b08be0;--openvpn:#cdb548;--carnet:#55aaf7;
--way0:#98a4b1;--way1:#55aaf7;--way2:#3fc79d;--way3:#e680b4;--way4:#f0973a}}
*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1240px;margin:0 auto;padding:28px 18px 60px}
h1{font-size:clamp(1.5rem,3.4vw,2.3rem);line-height:1.2;margin:.2em 0 .5em;max-width:28em;text-wrap:balance}
h2{font-size:1.25rem;margin:2.2em 0 .6em}h3{font-size:1rem;margin:0 0 .1em}
p{margin:.4em 0}.soft,figcaption{color:var(--soft);font-size:.92rem;max-width:52em}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,225px),1fr));gap:14px;margin:22px 0}
.tile,figure{background:var(--card);border-radius:12px;padding:16px 18px;margin:0;min-width:0}
.tile{border-top:5px solid var(--line)}.tile b{display:block;font-size:2rem;line-height:1.2;font-variant-numeric:tabular-nums}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,500px),1fr));gap:14px}
figcaption{margin-bottom:10px}svg{display:block;width:100%;height:auto;overflow:visible}
svg .grid{stroke:var(--grid);stroke-width:1}svg .limit{stroke:var(--limit);stroke-width:1.2;stroke-dasharray:4 3}
svg text{fill:var(--soft);font:12px system-ui,sans-serif;font-variant-numeric:tabular-nums}svg .name{fill:var(--ink);font-size:13px}
svg .note{fill:var(--ink);font-size:13px}svg .line{fill:none;stroke-width:2;stroke-linejoin:round}
.key{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:.88rem;color:var(--soft);margin:2px 0 6px}
.key i{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:6px;vertical-align:-1px}
.scroll{overflow-x:auto;background:var(--card);border-radius:12px;padding:6px 14px}
table{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}
th,td{padding:8px 10px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--grid)}
th{font-weight:600;color:var(--soft);white-space:normal;vertical-align:bottom}th:first-child,td:first-child{text-align:left}
tr:last-child td{border-bottom:0}tr.ours td{font-weight:650}
pre{white-space:pre-wrap;font:inherit;color:var(--soft);font-size:.92rem;max-width:60em;margin:.4em 0}
"""

_TUNNELS: Final = ("direct", "wireguard", "wireguard-relay", "openvpn", "carnet")
_WAYS: Final = ("way0", "way1", "way2", "way3", "way4")


def page(evening: Evening) -> str:
    """Return the whole file."""
    title = escape(f"carnet lab: {evening.world}")
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<style>{_STYLE}{_classes()}</style></head><body><main>",
        f'<p class="soft">{escape(evening.title)}</p><h1>{escape(words.headline(evening))}</h1>',
        f'<p class="soft">The same class of {evening.seconds:g} s, a real WebRTC call with slides, a timer and sound, was held over each way, '
        "in the same emulated world from the same beginning. A frame is too late when it is not complete "
        f"{DEADLINE_S * 1000:.0f} ms after it was sent, repairs included.</p>",
        f'<div class="tiles">{"".join(_tile(result) for result in evening.results)}</div>',
        "<h2>To the student: the teacher's slides and voice</h2>",
        _section(evening, figures.down),
        _table(evening, figures.down),
        "<h2>From the student: a small picture and a voice</h2>",
        _table(evening, figures.up),
        f'<div class="grid">{_over_time(evening, figures.up)}</div>',
        _method(evening),
        "</main></body></html>",
    ]
    return "\n".join(parts)


def _classes() -> str:
    tunnels = (f".{name}{{--line:var(--{name})}}" for name in (*_TUNNELS, *_WAYS))
    return "".join(tunnels) + ".bar,.key i{fill:var(--line);background:var(--line)}.line{stroke:var(--line)}"


def _tile(result: Result) -> str:
    if result.down is None:
        said = f"<b>–</b><p>{escape(result.failure)}</p>"
    else:
        score = result.down.score
        said = (
            f"<b>{words.share(score.frames_late, score.frames)}</b><p>of the frames too late</p>"
            f'<p class="soft">sound {score.mos:.2f} of 4.4, still for {score.frozen_s:.1f} s, download {words.download(result)}</p>'
        )
    return f'<div class="tile {escape(result.tunnel)}"><h3>{escape(result.title)}</h3>{said}</div>'


def _section(evening: Evening, half: Half) -> str:
    return f"""<div class="grid">{_over_time(evening, half)}
{_figure("When frames were complete", "Higher and further left is better; what counts is where a line crosses the mark.",
         figures.frames_in_time(evening, half), _key(evening))}
{_figure("Delay of packets", "From sending to first arrival, packets that arrived.", figures.delay_spread(evening, half), _key(evening))}
{_figure("Delay over time", "The slowest packets of every half second.", figures.delay_over_time(evening, half), _key(evening))}
{_figure("How the sound is (MOS)", "By ITU-T G.107 from loss and delay: 4.0 is good, 3.1 makes people give up.", figures.opinion(evening, half))}
{_figure("Standing still", "Gaps of at least three times the mean, or 150 ms over it, with a player that buffers 400 ms.",
         figures.still(evening, half))}
{_figure("Bytes for each useful byte", "On the student's line, all headers and repairs counted; useful is payload that was in time.",
         figures.cost(evening, half))}
{_figure("Course download", "Over TCP after the class, in the same world.", figures.download(evening))}</div>"""


def _over_time(evening: Evening, half: Half) -> str:
    return (
        _figure("Frames too late", "Share of every half second's frames; a full bar is all of them.", figures.frames_late(evening, half))
        + _figure("Packets lost", "As the class saw it, before it asked again; one scale for all.", figures.loss(evening, half))
        + _figure("Ways used", "Bytes on the student's line by way.", figures.paths(evening, half), _way_key(evening))
    )


def _figure(title: str, caption: str, drawing: str, key: str = "") -> str:
    return f"<figure><h3>{escape(title)}</h3><figcaption>{escape(caption)}</figcaption>{key}{drawing}</figure>"


def _key(evening: Evening) -> str:
    entries = ((result.tunnel, result.title) for result, _ in figures.held(evening, figures.down))
    return _legend(list(entries))


def _way_key(evening: Evening) -> str:
    return _legend([(style, name) for name, style in figures.way_names(evening)])


def _legend(entries: list[tuple[str, str]]) -> str:
    marks = (f'<span class="{escape(style)}"><i class="{escape(style)}"></i>{escape(name)}</span>' for style, name in entries)
    return f'<div class="key">{"".join(marks)}</div>'


def _table(evening: Evening, half: Half) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in ("", *words.COLUMNS))
    lines = []
    for result in evening.results:
        direction = half(result)
        ours = ' class="ours"' if result.tunnel == words.OURS else ""
        if direction is None:
            cells = f'<td colspan="{len(words.COLUMNS)}">{escape(result.failure)}</td>'
        else:
            cells = "".join(f"<td>{escape(cell)}</td>" for cell in words.cells(direction))
        lines.append(f"<tr{ours}><td>{escape(result.title)}</td>{cells}</tr>")
    return f'<div class="scroll" style="margin-top:14px"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def _method(evening: Evening) -> str:
    happened = "".join(
        f"<li>{escape(result.title)}: at {happening.at_s:g} s, {escape(happening.what)}</li>"
        for result in evening.results
        for happening in result.happened
    )
    events = f"<h3>What happened</h3><ul>{happened}</ul>" if happened else ""
    return f"""<h2>How this was measured</h2>{events}
<h3>World {escape(evening.world)}, seed {evening.seed}</h3><pre>{escape(evening.source)}</pre>
<p class="soft">Both ends of the class note every packet as it leaves and arrives, on one clock. A player gives a frame up
{GIVEN_UP_S:g} s after its sending. MOS takes the playout delay that suits the sound best, for each way its own. Bytes are counted by the
emulated links, outside of everything under test. Each way got fresh hosts, the same links, the same seed.</p>
<p class="soft">{escape(evening.machine)}. Run again: <code>carnet lab {escape(evening.world)} --seconds {evening.seconds:g} --seed {evening.seed}</code></p>"""
