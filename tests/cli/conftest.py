"""A terminal for every transcript, with places of its own."""

from pathlib import Path

import pytest

from tests.cli.transcript import Terminal


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("CARNET_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("CARNET_RUNTIME", str(tmp_path / "run"))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)
    return Terminal(capsys)
