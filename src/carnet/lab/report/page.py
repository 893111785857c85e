"""The report as one HTML file that needs nothing else: no network, no script, light and dark, any width."""

from html import escape
from importlib import resources
from typing import Final

from carnet.lab.report import figures, words
from carnet.lab.report.figures import Half
from carnet.lab.result import Evening, Result
from carnet.lab.score import DEADLINE_S, GIVEN_UP_S

_STYLE: Final = (resources.files("carnet.lab.report") / "page.css").read_text("utf-8")

_TUNNELS: Final = ("direct", "wireguard", "wireguard-relay", "openvpn", "carnet")
_WAYS: Final = ("way0", "way1", "way2", "way3", "way4")


def page(evening: Evening) -> str:
    """Return the whole file."""
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f"<title>{escape(f'carnet lab: {evening.world}')}</title>",
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<style>{_STYLE}{_classes()}</style></head><body><main>",
        f'<p class="soft">{escape(evening.title)}</p><h1>{escape(words.headline(evening))}</h1>',
        f'<p class="soft">{_EXPLANATION.format(seconds=evening.seconds, deadline_ms=DEADLINE_S * 1000)}</p>',
        _doubt(evening),
        f'<div class="tiles">{"".join(_tile(result) for result in evening.results)}</div>',
        "<h2>To the student: the teacher's slides and voice</h2>",
        _table(evening, figures.down),
        f'<div class="grid">{_over_time(evening, figures.down)}{_curves(evening)}{_levels(evening)}</div>',
        "<h2>From the student: a small picture and a voice</h2>",
        _table(evening, figures.up),
        f'<div class="grid">{_over_time(evening, figures.up)}</div>',
        _method(evening),
        "</main></body></html>",
    ]
    return "\n".join(parts)


_EXPLANATION: Final = (
    "The same class of {seconds:g} s, a real WebRTC call with slides, a timer and sound, was held over each "
    "way in the same emulated world from the same beginning. A picture frame is too late when it is not "
    "complete {deadline_ms:.0f} ms after it was sent, with all repairs that came until then."
)
_MEASURED: Final = (
    "Both ends of the class note every packet as it leaves and as it arrives, on one clock. A player gives a "
    "frame up {given_up_s:g} s after its sending. MOS is for the playout delay that suits the sound of each "
    "way best. Bytes are counted by the emulated links, outside of everything under test. Each way got fresh "
    "hosts, the same links and the same seed. WireGuard is wireguard-go, as this machine's packages have it."
)


def _doubt(evening: Evening) -> str:
    doubt = words.doubt(evening)
    return f'<p class="doubt">{escape(doubt)}</p>' if doubt else ""


def _classes() -> str:
    tunnels = (f".{name}{{--line:var(--{name})}}" for name in (*_TUNNELS, *_WAYS))
    return "".join(tunnels) + ".bar,.key i{fill:var(--line);background:var(--line)}.line{stroke:var(--line)}"


def _tile(result: Result) -> str:
    if result.down is None:
        said = f'<b>no class</b><p class="soft">{escape(result.failure)}</p>'
    else:
        score = result.down.score
        still = f"still for {score.frozen_s:.1f} s" if score.freezes else "never still"
        said = (
            f"<b>{words.share(score.frames_late, score.frames)}</b><p>of the frames too late</p>"
            f'<p class="soft">sound {score.mos:.2f} of 4.4; picture {still}; '
            f"download {words.download(result)}</p>"
        )
    return f'<div class="tile {escape(result.tunnel)}"><h3>{escape(result.title)}</h3>{said}</div>'


def _over_time(evening: Evening, half: Half) -> str:
    late = "Share of every half second's frames; one scale for all."
    lost = "As the class saw it, before it asked again; one scale for all."
    ways = "Bytes on the student's line, by way."
    return (
        _figure("Frames too late", late, figures.frames_late(evening, half))
        + _figure("Packets lost", lost, figures.loss(evening, half))
        + _figure("Ways used", ways, figures.paths(evening, half), _way_key(evening))
    )


def _levels(evening: Evening) -> str:
    half = figures.down
    sound = "By ITU-T G.107 from loss and delay: 4.0 is good, below 3.1 people give up."
    still = (
        "Gaps between frames of three times the mean and 150 ms over it or more, in a player that buffers "
        f"{DEADLINE_S * 1000:.0f} ms."
    )
    spent = (
        "On the student's line, with headers, probes and repairs; useful is payload that was there in time."
    )
    load = "10 MB over TCP after the class, in the same world; a share means it was stopped before its end."
    return (
        _figure("How the sound is (MOS)", sound, figures.opinion(evening, half))
        + _figure("Standing still", still, figures.still(evening, half))
        + _figure("Bytes for each useful byte", spent, figures.cost(evening, half))
        + _figure("Course download", load, figures.download(evening))
    )


def _curves(evening: Evening) -> str:
    half, key = figures.down, _key(evening)
    complete = "Higher and further left is better; what counts is where a line crosses the mark."
    spread = "From sending to first arrival, of the packets that arrived."
    slowest = "The slowest packets of every half second."
    return (
        _figure("Delay over time", slowest, figures.delay_over_time(evening, half), key)
        + _figure("When frames were complete", complete, figures.frames_in_time(evening, half), key)
        + _figure("Delay of packets", spread, figures.delay_spread(evening, half), key)
    )


def _figure(title: str, caption: str, drawing: str, key: str = "") -> str:
    return (
        f"<figure><h3>{escape(title)}</h3><figcaption>{escape(caption)}</figcaption>{key}{drawing}</figure>"
    )


def _key(evening: Evening) -> str:
    entries = ((result.tunnel, result.title) for result, _ in figures.held(evening, figures.down))
    return _legend(list(entries))


def _way_key(evening: Evening) -> str:
    return _legend([(style, name) for name, style in figures.way_names(evening)])


def _legend(entries: list[tuple[str, str]]) -> str:
    marks = (f'<span><i class="{escape(style)}"></i>{escape(name)}</span>' for style, name in entries)
    return f'<div class="key">{"".join(marks)}</div>'


def _table(evening: Evening, half: Half) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in ("", *words.COLUMNS))
    lines = []
    for result in evening.results:
        direction = half(result)
        ours = ' class="ours"' if result.tunnel == words.OURS else ""
        if direction is None:
            cells = f'<td class="why" colspan="{len(words.COLUMNS)}">{escape(result.failure)}</td>'
        else:
            cells = "".join(f"<td>{escape(cell)}</td>" for cell in words.cells(direction))
        lines.append(f"<tr{ours}><td>{escape(result.title)}</td>{cells}</tr>")
    body = "".join(lines)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _method(evening: Evening) -> str:
    happened = "".join(
        f"<li>{escape(result.title)}: at {happening.at_s:g} s, {escape(happening.what)}</li>"
        for result in evening.results
        for happening in result.happened
    )
    events = f"<h3>What happened</h3><ul>{happened}</ul>" if happened else ""
    again = f"carnet lab {evening.world} --seconds {evening.seconds:g} --seed {evening.seed}"
    return (
        f"<h2>How this was measured</h2>{events}<h3>World {escape(evening.world)}, seed {evening.seed}</h3>"
        f'<pre>{escape(evening.source)}</pre><p class="soft">{_MEASURED.format(given_up_s=GIVEN_UP_S)}</p>'
        f'<p class="soft">{escape(evening.machine)}. Run it again: <code>{escape(again)}</code></p>'
    )
