"""The command itself: help, exit statuses, one line for every error."""

import subprocess
import sys
from types import ModuleType

import pytest

from carnet.cli import main as main_module
from carnet.cli.main import COMMANDS, main
from carnet.errors import Error, MisuseError, PeerError, WorldError
from tests.cli.transcript import Terminal

HELP = [
    [],
    *[[name] for name in COMMANDS if name != "lab"],
    ["campus", "init"],
    ["campus", "add-relay"],
    ["campus", "remove-relay"],
    ["campus", "directory"],
    ["campus", "run"],
    ["pass", "issue"],
    ["pass", "revoke"],
    ["pass", "list"],
    ["pass", "wireguard"],
    ["relay", "run"],
]


@pytest.mark.parametrize("command", HELP, ids=" ".join)
def test_every_command_has_help(terminal: Terminal, command: list[str]) -> None:
    said = terminal(*command, "--help")
    assert (said.status, said.err) == (0, "")
    assert "Usage: carnet" in said.out
    is_command = len(command) == 2 or command in (["join"], ["status"])
    assert ("Example:" in said.out) == is_command


def test_the_first_page_lists_every_command(terminal: Terminal) -> None:
    said = terminal("--help")
    for name, (_, text) in COMMANDS.items():
        assert name in said.out
        assert text in said.out


@pytest.mark.parametrize(
    "command",
    [
        ["nonsense"],
        ["join"],
        ["join", "a", "b"],
        ["join", "--nonsense", "a"],
        ["campus", "nonsense"],
        ["pass", "issue", "d", "s", "--days", "x"],
        ["pass", "issue", "d", "s", "--days", "400"],
        ["relay", "run"],
    ],
    ids=" ".join,
)
def test_a_command_line_that_is_none_is_one_line_and_status_2(terminal: Terminal, command: list[str]) -> None:
    said = terminal(*command)
    assert said.status == 2
    assert said.err.startswith("usage: ")
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err


class Broken(ModuleType):
    """A command that ends in an error."""

    def __init__(self, error: BaseException) -> None:
        super().__init__("broken")
        self._error = error

    def add_to(self, app: object) -> None:
        raise self._error


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (MisuseError("do that"), 2, "misuse: do that\n"),
        (PeerError("two\nlines"), 3, "peer-error: two lines\n"),
        (WorldError("x"), 4, "world-error: x\n"),
        (Error("x"), 1, "error: x\n"),
        (ZeroDivisionError("x"), 1, "bug: ZeroDivisionError: x (please report it, with --debug)\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_an_error_is_a_status_and_one_line(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, line: str
) -> None:
    monkeypatch.setattr(main_module, "_load", lambda *_: Broken(error))
    said = terminal("join", "x")
    assert (said.status, said.err) == (status, line)


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main_module, "_load", lambda *_: Broken(WorldError("x")))
    with pytest.raises(WorldError):
        main(["join", "x", "--debug"])


def test_a_part_that_is_not_installed_is_named(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> ModuleType:
        raise ModuleNotFoundError("No module named 'aiortc'", name="aiortc")

    monkeypatch.setattr("importlib.import_module", missing)
    said = terminal("lab")
    assert (said.status, said.err) == (
        2,
        "missing-extra: `carnet lab` needs aiortc: install it with pip install 'carnet[lab]'\n",
    )


def test_help_needs_no_database_no_network_and_no_core() -> None:
    script = (
        "import sys; from carnet.cli.main import main; main(['--help']); "
        "print([m for m in ('sqlalchemy', 'pyroute2', 'dns', 'carnet._carry') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_version_and_completion(terminal: Terminal) -> None:
    assert terminal("--version").out.startswith("carnet 0.")
    environment = {"_CARNET_COMPLETE": "complete_bash", "COMP_WORDS": "carnet pass is", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from carnet.cli.main import main; sys.exit(main([]))"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.stdout.split() == ["issue"]


def test_a_reader_that_leaves_early_hears_no_complaint() -> None:
    script = "import sys; from carnet.cli.main import main; sys.exit(main(['--help']))"
    command = f'{sys.executable} -c "{script}" | true'
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
