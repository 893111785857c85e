"""`carnet pass issue|revoke|list|wireguard`."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import rich.console
import rich.table
import segno
import typer

from carnet.errors import MisuseError
from carnet.node import disk
from carnet.node.store import Store
from carnet.tunnel import directory as directories
from carnet.tunnel import passes, wireguard

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

Home = Annotated[Path, typer.Argument(metavar="DIR", help="The campus' directory.")]
Student = Annotated[str, typer.Argument(metavar="STUDENT", help="A name or e-mail address.")]


def add_to(commands: typer.Typer) -> None:
    """Register the group."""
    commands.add_typer(app, name="pass", help="Issue, revoke and list the passes of a campus.")


@app.command()
def issue(
    home: Home,
    student: Student,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: STUDENT.pass here.")] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="How long it lasts.")] = 180,
) -> None:
    """Write a pass with the student's key in it, for its owner alone.

    Example: [bold]carnet pass issue ~/campus li.wei --out li.wei.pass[/]
    """
    target = out or Path(f"{student}.pass")
    with Store(home) as store:
        written = False
        try:
            with store.issuing(student, int(time.time()), days * directories.DAY_S) as file:
                disk.write_private_new(target, file)
                written = True
        except BaseException:
            if written:
                target.unlink(missing_ok=True)
            raise
    print(f"pass of {student} in {target}; keep it secret, it holds the key")


@app.command()
def revoke(home: Home, student: Student) -> None:
    """Take a pass back; a running campus stops answering it within a second.

    Example: [bold]carnet pass revoke ~/campus li.wei[/]
    """
    with Store(home) as store:
        store.revoke(student, int(time.time()))
    print(f"pass of {student} revoked")


@app.command("list")
def list_passes(
    home: Home,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the passes of a campus.

    Example: [bold]carnet pass list ~/campus --json[/]
    """
    now = time.time()
    with Store(home) as store:
        students, (directory, _) = store.students(), store.directory()
    rows = [
        {
            "student": row.student,
            "address": directory.address(row.number),
            "issued": _day(row.issued),
            "expires": _day(row.expires),
            "state": row.state(now),
        }
        for row in students
    ]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = rich.table.Table("student", "address", "issued", "expires", "state")
    for line in rows:
        table.add_row(*line.values())
    rich.console.Console().print(table)


@app.command("wireguard")
def stock_configuration(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A pass.")],
    relay: Annotated[str | None, typer.Option(metavar="NAME", help="Enter by this relay.")] = None,
    directory: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A newer directory than the pass has.")
    ] = None,
    *,
    qr: Annotated[bool, typer.Option("--qr", help="As a code for the phone's camera.")] = False,
) -> None:
    """Print the configuration for a stock WireGuard client; it holds the key.

    Example: [bold]carnet pass wireguard li.wei.pass --relay tokyo --qr[/]
    """
    now = time.time()
    holding = passes.read(disk.read_file(file), now)
    current = holding.directory
    if directory is not None:
        current = directories.read(
            disk.read_file(directory),
            now,
            signing_key=holding.signed.signing_key,
            seen_version=holding.directory.version,
        )
    text = wireguard.configuration(holding, current, relay)
    if not qr:
        print(text, end="")
        return
    try:
        code = segno.make_qr(text, error="l")
    except segno.DataOverflowError as error:
        raise MisuseError(f"{len(text)} characters fit no QR code: use the text without --qr") from error
    code.terminal(compact=True)


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
