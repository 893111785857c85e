"""`carnet lab [WORLD] [--tunnels ...] [--seconds N] [--seed N] [--report FILE.html] [--json FILE] ...`.

Also `carnet lab worlds`, which lists what there is.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import rich.console
import rich.table
import typer

from carnet.errors import MisuseError, WorldError
from carnet.lab import run, userns, world
from carnet.lab.display import Display
from carnet.lab.report import table, words
from carnet.lab.report.page import page
from carnet.lab.report.picture import picture
from carnet.lab.result import Evening
from carnet.lab.tunnels import command, registry
from carnet.lab.world import World

WORLDS = "worlds"


def add_to(commands: typer.Typer) -> None:
    """Register the command."""
    commands.command("lab")(lab)


def lab(
    name: Annotated[
        str,
        typer.Argument(metavar="[WORLD]", help="A world by name, a .toml file, or `worlds` to list them."),
    ] = "evening",
    tunnels: Annotated[
        str, typer.Option(metavar="LIST", help=f"With commas between: {', '.join(registry.TUNNELS)}.")
    ] = ",".join(registry.DEFAULT),
    seconds: Annotated[float, typer.Option(min=5, max=3600, help="Length of the class.")] = 30.0,
    seed: Annotated[int | None, typer.Option(min=0, help="Another evening of the same kind.")] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write the report there.")] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all figures there.")
    ] = None,
    picture_file: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE.svg", help="Write a small picture there.")
    ] = None,
) -> None:
    """Hold a real class in an emulated world, over each tunnel in turn, and show how it was.

    Beside the call a real meeting's packet shape is replayed; CARNET_LAB_TRAFFIC=FILE.csv names a recording
    of your own (columns time_ms, direction, udp_payload_bytes).

    Example: [bold]carnet lab evening --report evening.html[/]
    """
    console = rich.console.Console()
    if name == WORLDS:
        _list(console, json_file)
        return
    chosen = _world(name)
    plan = run.Plan(
        Path(name).stem, chosen, registry.named(tunnels), seconds, chosen.seed if seed is None else seed
    )
    if userns.needed():
        userns.enter(command.carnet(*sys.argv[1:]))
    with Display(console, plan.tunnels, seconds) as display:
        evening = run.run(plan, display)
    _write(evening, report, json_file, picture_file)
    console.print(table.table(evening))
    for result in evening.results:
        if result.failure:
            console.print(f"{result.title}: {result.failure}", style="red", highlight=False)
    if doubt := words.doubt(evening):
        console.print(doubt, style="yellow", highlight=False)
    console.print(f"[bold]{words.headline(evening)}[/]", highlight=False)
    if report is not None:
        console.print(f"Report: {report}", highlight=False)
    # A peer that is not installed is a gap in the table; without carnet there was nothing to show.
    if any(result.tunnel == "carnet" and result.failure for result in evening.results):
        raise WorldError("carnet carried no class on this machine: the reason is above")


def _world(name: str) -> World:
    if not name.endswith(".toml"):
        return world.load(name)
    try:
        return world.parse(Path(name).read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise MisuseError(f"cannot read {name}: {error}") from error


def _list(console: rich.console.Console, json_file: Path | None) -> None:
    found = {name: world.load(name).title for name in world.shipped()}
    if json_file is not None:
        json_file.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
        return
    shown = rich.table.Table("world", "what it is", header_style="dim", box=None)
    for name, title in found.items():
        shown.add_row(name, title)
    console.print(shown)


def _write(evening: Evening, report: Path | None, json_file: Path | None, picture_file: Path | None) -> None:
    figures = msgspec.json.format(msgspec.json.encode(evening)).decode() + "\n"
    for file, text in ((report, page(evening)), (json_file, figures), (picture_file, picture(evening))):
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
