"""Runs commands in this process and gives back what the operator sees."""

from dataclasses import dataclass

import pytest

from carnet.cli.main import main


@dataclass(frozen=True, slots=True)
class Said:
    """Exit status, standard output and standard error of one command."""

    status: int
    out: str
    err: str


class Terminal:
    """Give it command lines; it gives back what was said."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Said:
        self._capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        out, err = self._capsys.readouterr()
        return Said(status, out, err)
