"""`carnet relay run --directory FILE --listen HOST:PORT`."""

import time
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from carnet.node import disk, relay, serve
from carnet.tunnel import directory as directories

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")


def add_to(commands: typer.Typer) -> None:
    """Register the group."""
    commands.add_typer(app, name="relay", help="Run a blind relay.")


@app.callback()
def group() -> None:
    """Run a blind relay."""


@app.command()
def run(
    directory: Annotated[
        list[Path], typer.Option(metavar="FILE", help="A campus' directory. Repeat it to serve several.")
    ],
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where students send to, UDP.")
    ] = "[::]:51820",
) -> None:
    """Forward between students and campuses until SIGTERM or Ctrl-C. Holds no key, writes nothing.

    Example: [bold]carnet relay run --directory campus.directory --listen 0.0.0.0:51820[/]
    """
    now = time.time()
    campuses = [directories.read(disk.read_file(path), now) for path in directory]
    serve.run(partial(relay.run, campuses, listen))
