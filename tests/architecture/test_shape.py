"""The shape of the tree: sizes, names, and who may know whom beyond what import-linter sees."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path
    for folder, ending in (
        ("src", "py"),
        ("tests", "py"),
        ("bench", "py"),
        ("fuzz", "py"),
        ("rust/carry", "rs"),
        ("fuzz", "rs"),
    )
    for path in (ROOT / folder).rglob(f"*.{ending}")
    if "target" not in path.parts
)
MOST_LINES = 400
SHELF_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc", "v2"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_there_is_something_to_look_at() -> None:
    assert len(SOURCES) > 20


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_file_is_one_idea(path: Path) -> None:
    lines = path.read_text().count("\n")
    assert lines <= MOST_LINES, f"{lines} lines: split it by who owns the state"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_file_is_named_after_its_idea(path: Path) -> None:
    assert path.stem not in SHELF_NAMES


def test_one_door_leads_to_the_core() -> None:
    importers = {
        name_of(path) for path in (ROOT / "src").rglob("*.py") if re.search(r"\b_carry\b", path.read_text())
    }
    assert importers == {"src/carnet/tunnel/carrier.py"}


def test_one_file_of_the_crate_knows_python() -> None:
    knowing = {
        name_of(path) for path in (ROOT / "rust/carry/src").rglob("*.rs") if "pyo3" in path.read_text()
    }
    assert knowing == {"rust/carry/src/python.rs"}


def test_one_file_of_the_crate_knows_the_operating_system() -> None:
    knowing = {
        name_of(path)
        for path in (ROOT / "rust/carry/src").rglob("*.rs")
        if re.search(r"libc::(?!E[A-Z]+\b)", path.read_text())
    }
    assert knowing == {"rust/carry/src/os.rs"}


def modules(room: str) -> list[Path]:
    return sorted((ROOT / "src/carnet" / room).rglob("*.py"))


@pytest.mark.parametrize("path", modules("seal") + modules("tunnel"), ids=name_of)
def test_a_pure_room_reads_no_file(path: Path) -> None:
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert "open" not in calls


@pytest.mark.parametrize("path", [p for p in SOURCES if p.suffix == ".py"], ids=name_of)
def test_a_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), "no docstring at its head"
