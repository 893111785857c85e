"""`carnet join FILE [--interface carnet0]`."""

from pathlib import Path
from typing import Annotated

import typer

from carnet.node import disk, serve
from carnet.node.join import Join, JoinOptions


def add_to(commands: typer.Typer) -> None:
    """Register the command."""
    commands.command("join")(join)


def join(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The pass the campus gave you.")],
    interface: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the tunnel's interface.")
    ] = "carnet0",
    *,
    dns: Annotated[
        bool, typer.Option("--dns/--no-dns", help="Resolve class names through the campus.")
    ] = True,
) -> None:
    """Join the class until SIGTERM or Ctrl-C; then everything is as it was.

    Only class services go through the tunnel; everything else goes where it went before.

    Example: [bold]sudo carnet join li.wei.pass[/]
    """
    options = JoinOptions(interface=interface, names=dns)
    serve.run(Join(disk.read_file(file), options).run)
