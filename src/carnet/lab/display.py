"""The running lab on a terminal: a line for each tunnel, filled in as its class goes on."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from carnet.lab.run import Moment
from carnet.lab.tunnels.registry import Tunnel


class Display:
    """Shows moments.  Use as a context; call it with each `Moment`."""

    def __init__(self, console: Console, tunnels: Sequence[Tunnel], seconds: float) -> None:
        self._console = console
        self._seconds = seconds
        self._titles = {tunnel.name: tunnel.title for tunnel in tunnels}
        self._last = {tunnel.name: Moment(tunnel.name, "waiting") for tunnel in tunnels}
        self._live = Live(console=console, get_renderable=self._table, refresh_per_second=2, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trail: TracebackType | None
    ) -> None:
        self._live.stop()

    def __call__(self, moment: Moment) -> None:
        """Show how one tunnel stands; keep the last figures while there are no new ones."""
        before = self._last[moment.tunnel]
        self._last[moment.tunnel] = moment
        if not self._console.is_terminal and moment.doing != before.doing:
            self._console.print(f"{self._titles[moment.tunnel]}: {moment.doing}", highlight=False)

    def _table(self) -> Table:
        table = Table("", "now", "time", "frames late", "lost", "MOS", "way", header_style="dim")
        for name, moment in self._last.items():
            style = "dim" if moment.doing == "waiting" else ""
            table.add_row(self._titles[name], moment.doing, *self._figures(moment), style=style)
        return table

    def _figures(self, moment: Moment) -> tuple[str, ...]:
        time = f"{moment.elapsed_s:.0f}/{self._seconds:.0f} s" if moment.elapsed_s else ""
        if moment.frames_late is None or moment.loss is None or moment.mos is None:
            return (time, "", "", "", "")
        return (time, f"{moment.frames_late:.1%}", f"{moment.loss:.1%}", f"{moment.mos:.2f}", moment.path)
