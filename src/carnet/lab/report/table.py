"""The result of an evening as tables on a terminal."""

from rich.table import Table

from carnet.lab.report import figures, words
from carnet.lab.report.figures import Half
from carnet.lab.result import Evening


def tables(evening: Evening) -> list[Table]:
    """Return the table of what reached the student, and that of what the student sent."""
    return [
        _table(evening, figures.down, f"to the student ({evening.world}, {evening.seconds:g} s, seed {evening.seed})"),
        _table(evening, figures.up, "from the student"),
    ]


def _table(evening: Evening, half: Half, title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim")
    table.add_column("")
    is_down = half is figures.down
    for column in (*words.COLUMNS, *(("10 MB download",) if is_down else ())):
        table.add_column(column, justify="right")
    for result in evening.results:
        direction = half(result)
        style = "bold" if result.tunnel == words.OURS else ""
        if direction is None:
            table.add_row(result.title, result.failure, style=style)
            continue
        extra = (words.download(result),) if is_down else ()
        table.add_row(result.title, *words.cells(direction), *extra, style=style)
    return table
