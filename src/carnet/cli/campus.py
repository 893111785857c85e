"""`carnet campus init|add-relay|remove-relay|directory|run`."""

import time
from pathlib import Path
from typing import Annotated

import typer

from carnet.node import disk, serve
from carnet.node.campus import Campus
from carnet.node.founding import found
from carnet.node.store import Store
from carnet.tunnel.catalogue import NAMES
from carnet.tunnel.directory import RelayEntry

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

Home = Annotated[Path, typer.Argument(metavar="DIR", help="The campus' directory.")]


def add_to(commands: typer.Typer) -> None:
    """Register the group."""
    commands.add_typer(app, name="campus", help="Found and run a campus: gateway, directory, relays.")


@app.command()
def init(
    home: Home,
    name: Annotated[str, typer.Option(help="1 to 31 of a-z, 0-9 and inner hyphens.")],
    endpoint: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where students reach the gateway, UDP.")
    ],
    network: Annotated[str, typer.Option(metavar="CIDR", help="The students' addresses.")] = "10.78.0.0/16",
    service: Annotated[
        list[str] | None, typer.Option(help=f"A class service: {', '.join(NAMES)}. May be repeated.")
    ] = None,
    allow: Annotated[
        list[str] | None, typer.Option(metavar="CIDR", help="A network of your own. May be repeated.")
    ] = None,
) -> None:
    """Make the keys and the first directory of a campus.

    Example: [bold]carnet campus init ~/campus --name alpine --endpoint vpn.example.edu:51820[/]
    """
    found(
        home,
        name=name,
        endpoint=endpoint,
        network=network,
        services=service or [],
        allowed=allow or [],
        now=int(time.time()),
    )
    print(f"campus {name} in {home}; next: carnet pass issue {home} STUDENT, carnet campus run {home}")


@app.command("add-relay")
def add_relay(
    home: Home,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    endpoint: Annotated[str, typer.Argument(metavar="HOST:PORT")],
    owner: Annotated[str, typer.Option(metavar="TEXT", help="Who runs it.")] = "",
    country: Annotated[str, typer.Option(metavar="CC", help="Where it stands, two capital letters.")] = "",
) -> None:
    """Put a relay in the directory; a running campus tells its students within seconds.

    Example: [bold]carnet campus add-relay ~/campus tokyo relay.example.jp:51820 --country JP[/]
    """
    with Store(home) as store:
        store.add_relay(RelayEntry(name, endpoint, owner, country), int(time.time()))
        directory, _ = store.directory()
    print(f"relay {name} added; directory version {directory.version}")


@app.command("remove-relay")
def remove_relay(home: Home, name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Take a relay out of the directory.

    Example: [bold]carnet campus remove-relay ~/campus tokyo[/]
    """
    with Store(home) as store:
        store.remove_relay(name, int(time.time()))
        directory, _ = store.directory()
    print(f"relay {name} removed; directory version {directory.version}")


@app.command()
def directory(
    home: Home,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it there instead.")] = None,
) -> None:
    """Print the public, signed directory: what a relay needs to run.

    Example: [bold]carnet campus directory ~/campus --out campus.directory[/]
    """
    with Store(home) as store:
        store.renew(int(time.time()))
        newest, document = store.directory()
    if out is None:
        print(document.decode(), end="")
        return
    disk.write_public(out, document)
    print(f"directory version {newest.version} in {out}")


@app.command()
def run(home: Home) -> None:
    """Run the campus until SIGTERM or Ctrl-C; then everything is as it was.

    Example: [bold]sudo carnet campus run ~/campus[/]
    """
    campus = Campus(home)
    serve.run(campus.run)
