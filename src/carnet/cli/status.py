"""`carnet status [--interface NAME] [--json]`."""

from typing import Annotated

import msgspec
import rich.console
import rich.table
import typer

from carnet.node.status import JoinStatus, PathStatus, ask_all


def add_to(commands: typer.Typer) -> None:
    """Register the command."""
    commands.command("status")(status)


def status(
    interface: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only the join on this interface.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how good the local join is: paths, loss, delay, MOS, overhead.

    Example: [bold]sudo carnet status --json[/]
    """
    joins = ask_all(interface)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(joins)).decode())
        return
    console = rich.console.Console()
    for join in joins:
        console.print(_heading(join))
        console.print(_table(join))


def _heading(join: JoinStatus) -> str:
    state = "connected" if join.connected else "[red]no answer[/]"
    overhead = "not yet known" if join.overhead is None else f"{join.overhead:.0%}"
    return (
        f"[bold]{join.campus}[/] as {join.student}, {join.address} on {join.interface}: {state}, "
        f"up {join.sent_bytes / 1e6:.1f} MB, down {join.received_bytes / 1e6:.1f} MB, "
        f"overhead {overhead}, directory {join.directory_version}"
    )


def _table(join: JoinStatus) -> rich.table.Table:
    table = rich.table.Table(
        "path", "state", "round trip", "loss down", "loss up", "MOS down", "MOS up", "MTU"
    )
    for path in join.paths:
        table.add_row(
            path.name,
            _state(path),
            f"{path.rtt_ms:.0f} ms",
            f"{path.loss_down:.1%}",
            f"{path.loss_up:.1%}",
            f"{path.mos_down:.1f}",
            f"{path.mos_up:.1f}",
            str(path.mtu_bytes),
        )
    return table


def _state(path: PathStatus) -> str:
    if not path.alive:
        return "[red]silent[/]"
    return "[green]carries[/]" if path.carrying else "ready"
