"""`carnet lab` at the command line: what it lists, what it refuses, what it writes."""

import json
from pathlib import Path

import pytest

from carnet.cli.main import main
from carnet.lab import run, world
from carnet.lab.result import Evening, Result
from carnet.lab.run import Moment, Plan, Watcher


def test_the_worlds_are_listed_a_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "worlds"]) == 0
    shown = capsys.readouterr().out
    assert all(f" {name} " in shown for name in world.shipped())
    assert main(["lab", "worlds", "--json", str(tmp_path / "worlds.json")]) == 0
    assert json.loads((tmp_path / "worlds.json").read_text("utf-8"))["clear"] == world.load("clear").title


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["midsummer"], "evening"),
        (["nowhere.toml"], "nowhere.toml"),
        (["evening", "--tunnels", "pigeon"], "wireguard-relay"),
        (["evening", "--tunnels", ","], "carnet"),
        (["evening", "--seconds", "1"], "--seconds"),
        (["evening", "--seed", "-1"], "--seed"),
    ],
)
def test_nonsense_is_the_caller_s_fault(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lab", *arguments]) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert len(shown.err.splitlines()) == 1
    assert shown.out == ""


def test_what_was_asked_for_is_run_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plans: list[Plan] = []

    def held(plan: Plan, watch: Watcher) -> Evening:
        plans.append(plan)
        results = []
        for tunnel in plan.tunnels:
            watch(Moment(tunnel.name, "class", 1.0, 0.5, 0.25, 3.0, "direct"))
            results.append(Result(tunnel=tunnel.name, title=tunnel.title, failure="world-error: a test"))
        return Evening(
            world=plan.name,
            title="t",
            source="s",
            seed=plan.seed,
            seconds=plan.seconds,
            machine="m",
            results=results,
        )

    monkeypatch.setattr(run, "run", held)
    monkeypatch.setattr("carnet.lab.userns.needed", lambda: False)
    files = [str(tmp_path / "new" / name) for name in ("r.html", "r.json", "r.svg")]
    asked = ["storm", "--tunnels", "carnet, direct,carnet", "--seconds", "7", "--seed", "3"]
    written = ["--report", files[0], "--json", files[1], "--picture", files[2]]
    assert main(["lab", *asked, *written]) == 4, (
        "carnet carried nothing, and what was asked for is written all the same"
    )
    (plan,) = plans
    assert [tunnel.name for tunnel in plan.tunnels] == ["carnet", "direct"]
    assert (plan.name, plan.seconds, plan.seed) == ("storm", 7.0, 3)
    assert "a test" in Path(files[0]).read_text("utf-8")
    assert [result["tunnel"] for result in json.loads(Path(files[1]).read_text("utf-8"))["results"]] == [
        "carnet",
        "direct",
    ]
    assert Path(files[2]).read_text("utf-8").startswith("<svg")
    shown = capsys.readouterr().out
    assert "No class was held." in shown
    assert "world-error: a test" in shown


def test_the_help_names_every_option_and_tunnel(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "--help"]) == 0
    shown = capsys.readouterr().out
    for option in ("--tunnels", "--seconds", "--seed", "--report", "--json", "--picture"):
        assert option in shown
