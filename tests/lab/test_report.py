"""The report says what was measured: every figure, every loser, nothing from elsewhere."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest
from rich.console import Console

from carnet.lab.report import chart, words
from carnet.lab.report.page import page
from carnet.lab.report.picture import picture
from carnet.lab.report.table import table
from carnet.lab.result import Direction, Download, Evening, Happening, Result, Wire
from carnet.lab.score import Score, Timeline

VOID = {"meta", "link", "br", "img"}


def made_score(*, late: int, seconds: int = 4) -> Score:
    slots = seconds * 2
    return Score(
        packets=1000,
        packets_lost=late * 3,
        frames=slots * 12,
        frames_late=late,
        frames_missing=late // 2,
        freezes=late // 4,
        frozen_s=late / 10,
        longest_freeze_s=late / 20,
        sounds=seconds * 50,
        sounds_late=late,
        mos=4.2 - late / 100,
        playout_s=0.15,
        delay_s=[0.1, 0.12, 0.15, 0.3],
        delay_curve_s=[0.1 + step / 1000 for step in range(101)],
        frame_curve_s=[0.1 + step / 200 if step < 90 else None for step in range(101)],
        useful_bytes=500_000,
        timeline=Timeline(
            loss=[0.01] * slots,
            frames=[12] * slots,
            frames_late=[late, *[0] * (slots - 1)],
            delay_s=[None, *[0.12] * (slots - 1)],
        ),
    )


def made_result(tunnel: str, title: str, late: int) -> Result:
    paths = [{"direct": 1000, "hong-kong": 50_000}] * 8
    half = Direction(score=made_score(late=late), wire=Wire(packets=1100, octets=650_000), paths=paths)
    load = Download(size=10_000_000, octets=2_500_000, seconds=12.0, control="cubic")
    return Result(tunnel=tunnel, title=title, down=half, up=half, download=load)


EVENING = Evening(
    world="evening",
    title="An evening <with> 3 %",
    source="from & nowhere",
    seed=7,
    seconds=4.0,
    machine="2 cores",
    results=[
        made_result("direct", "no tunnel", 9),
        Result(tunnel="wireguard", title="WireGuard", failure="world-error: needs <wg>"),
        made_result("carnet", "carnet", 2),
    ],
)


class Balanced(HTMLParser):
    """Fails on a tag that is not closed where it should be, and gathers what points elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.references += [value or "" for name, value in attrs if name in {"src", "href"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else() -> None:
    text = page(EVENING)
    parser = Balanced()
    parser.feed(text)
    assert not parser.open
    assert not parser.references
    assert not re.search(r"https?://|@import|url\(", text)
    assert len(text) < 1_000_000


def test_every_chart_is_well_formed() -> None:
    drawings = re.findall(r"<svg.*?</svg>", page(EVENING), re.S)
    assert len(drawings) >= 10
    for drawing in [*drawings, picture(EVENING)]:
        root = ET.fromstring(drawing)
        numbers = [
            value for node in root.iter() for key, value in node.attrib.items() if key in {"x", "y", "height"}
        ]
        assert all(float(number) == float(number) for number in numbers)


def test_the_headline_is_the_count_of_frames_with_and_without() -> None:
    assert (
        words.headline(EVENING) == "With carnet, 2 of 96 picture frames came too late; without it, 9 of 96."
    )
    assert words.headline(EVENING) in page(EVENING)
    assert words.headline(EVENING) in picture(EVENING)


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (slice(0, 1), "Without a tunnel, 9 of 96 picture frames came too late."),
        (slice(2, 3), "With carnet, 2 of 96 picture frames came too late."),
        (slice(1, 2), "No class was held."),
    ],
)
def test_the_headline_never_speaks_of_what_was_not_held(kept: slice, said: str) -> None:
    part = Evening(
        world="w", title="t", source="s", seed=1, seconds=4.0, machine="m", results=EVENING.results[kept]
    )
    assert words.headline(part) == said
    assert said in page(part)
    picture(part)


def test_those_who_failed_stay_in_the_report_with_the_reason() -> None:
    assert "needs &lt;wg&gt;" in page(EVENING)
    shown = Console(width=100, record=True, file=None)
    with shown.capture() as captured:
        shown.print(table(EVENING))
    assert "WireGuard" in captured.get()
    assert "failed" in captured.get()


def test_the_table_fits_a_terminal_of_80_columns_with_every_tunnel() -> None:
    titles = (("direct", "no tunnel"), ("wireguard", "WireGuard"), ("wireguard-relay", "WireGuard by relay"))
    results = [made_result(name, title, 10) for name, title in (*titles, ("carnet", "carnet"))]
    wide = Evening(world="w", title="t", source="s", seed=1, seconds=4.0, machine="m", results=results)
    narrow = Console(width=80)
    with narrow.capture() as captured:
        narrow.print(table(wide))
    lines = captured.get().splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert "…" not in captured.get()
    assert sum("frames late" in line for line in lines) == 2


def test_what_happened_is_told_and_marked() -> None:
    died = Happening(at_s=1.5, what="the relay tokyo, then in use, died")
    result = EVENING.results[2]
    told = Result(tunnel=result.tunnel, title=result.title, down=result.down, up=result.up, happened=[died])
    text = page(Evening(world="w", title="t", source="s", seed=1, seconds=4.0, machine="m", results=[told]))
    assert text.count("the relay tokyo, then in use, died") >= 2, (
        "in the list, and at its place in the charts"
    )


def test_text_of_the_world_is_escaped() -> None:
    text = page(EVENING)
    assert "An evening &lt;with&gt; 3 %" in text
    assert "from &amp; nowhere" in text


@pytest.mark.parametrize("most", [0.0, 0.4, 1, 3, 7, 10, 30, 99, 100, 250, 1000, 1500])
def test_an_axis_reaches_what_it_must_with_round_marks(most: float) -> None:
    axis = chart.nice_axis("s", most)
    assert axis.most >= most
    assert 2 <= len(axis.marks) <= 7
    assert axis.place(axis.most) == 1
    assert axis.place(-1) == 0


def test_shares_do_not_round_trouble_away() -> None:
    assert words.share(0, 750) == "0 %"
    assert words.share(1, 20_000) == "0.01 %"
    assert words.share(3, 750) == "0.40 %"
    assert words.share(39, 750) == "5.2 %"
    assert words.share(0, 0) == words.NOTHING
