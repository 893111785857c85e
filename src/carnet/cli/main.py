"""The command `carnet`: finds the command named, runs it, and turns errors into exit statuses.

The only place where an error becomes an exit status: 0 done, 2 the caller's fault, 3 a
peer's, 4 the world's.  Only the module of the command that was named is imported, so that
a relay starts without a database and help appears at once.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Annotated

import typer
import typer.main

from carnet.errors import Error, MissingExtraError

COMMANDS = {
    "campus": ("carnet.cli.campus", "Found and run a campus: gateway, directory, relays."),
    "pass": ("carnet.cli.passes", "Issue, revoke and list the passes of a campus."),
    "relay": ("carnet.cli.relay", "Run a blind relay."),
    "join": ("carnet.cli.join", "Join a class with a pass."),
    "status": ("carnet.cli.status", "Show how good the local join is."),
    "lab": ("carnet.cli.lab", "Run a class through emulated worlds on this machine."),
}
EXTRAS = {"lab": "lab"}

DEBUG = "--debug"
USAGE_STATUS = 2
BUG_STATUS = 1
INTERRUPTED_STATUS = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = DEBUG in arguments
    arguments = [argument for argument in arguments if argument != DEBUG]
    try:
        command = typer.main.get_command(_app(_named(arguments)))
        status = command.main(arguments, prog_name="carnet", standalone_mode=False)
        sys.stdout.flush()
    except Error as error:
        if debug:
            raise
        return _say(error.code, str(error), error.exit_status)
    except typer.TyperException as error:
        return _say("usage", f"{_sentence(error.format_message())} See --help.", USAGE_STATUS)
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED_STATUS
    except BrokenPipeError:
        # Whoever read our output has enough; Python must not complain again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            raise
        return _say("bug", f"{type(error).__name__}: {error} (please report it, with {DEBUG})", BUG_STATUS)
    return status if isinstance(status, int) else 0


def _say(code: str, text: str, status: int) -> int:
    print(f"{code}: {' '.join(text.split())}", file=sys.stderr)
    return status


def _sentence(text: str) -> str:
    text = text.strip() or "no command given"
    return text if text.endswith((".", "?")) else text + "."


def _named(arguments: Sequence[str]) -> str | None:
    """Return the command named, on the command line or by the shell that completes one."""
    words = os.environ.get("COMP_WORDS", "").split()[1:] if "_CARNET_COMPLETE" in os.environ else arguments
    return next((word for word in words if word in COMMANDS), None)


def _app(named: str | None) -> typer.Typer:
    app = typer.Typer(
        name="carnet",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        help="Live classes through relays that see only ciphertext.",
    )
    app.callback()(_options)
    for name, (module, text) in COMMANDS.items():
        if name == named:
            _load(name, module).add_to(app)
        else:
            app.command(name, help=text, context_settings={"allow_extra_args": True})(_unnamed)
    return app


def _load(name: str, module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        extra = EXTRAS.get(name)
        if extra is None:
            raise
        raise MissingExtraError(
            f"`carnet {name}` needs {error.name}: install it with pip install 'carnet[{extra}]'"
        ) from error


def _unnamed() -> None:
    """Stand in for a command that was not named; listed by help, never run."""


def _version(*, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415  slow, and rarely asked for

        print(f"carnet {version('carnet')}")
        raise typer.Exit


def _options(
    *,
    debug: Annotated[bool, typer.Option(DEBUG, help="Show tracebacks of errors.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Live classes through relays that see only ciphertext."""
