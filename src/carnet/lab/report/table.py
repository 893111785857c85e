"""The result of an evening as a table on a terminal of 80 columns: a column for each tunnel."""

from rich import box
from rich.table import Table

from carnet.lab.report import figures, words
from carnet.lab.report.figures import Half
from carnet.lab.result import Evening, Result


def table(evening: Evening) -> Table:
    """Return the table of an evening: what reached the student, then what the student sent."""
    heading = f"{evening.world}, class of {evening.seconds:g} s, seed {evening.seed}"
    drawn = Table(
        title=heading, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
    )
    drawn.add_column("")
    for result in evening.results:
        drawn.add_column(result.title, justify="right", style="bold" if result.tunnel == words.OURS else "")
    for half, title in ((figures.down, "to the student"), (figures.up, "from the student")):
        drawn.add_row(title, *("" for _ in evening.results), style="dim italic")
        for number, column in enumerate(words.COLUMNS):
            drawn.add_row(f"  {column}", *(_cell(result, half, number) for result in evening.results))
        drawn.add_section()
    drawn.add_row("download", *(words.rate(result) for result in evening.results))
    drawn.add_row("  of it, in time", *(words.fetched(result) for result in evening.results))
    return drawn


def _cell(result: Result, half: Half, number: int) -> str:
    direction = half(result)
    return "failed" if direction is None else words.cells(direction)[number]
