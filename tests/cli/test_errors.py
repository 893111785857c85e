"""Every error has a code of its own and a line in docs/errors.md."""

import inspect
import re
from pathlib import Path

from carnet import errors
from carnet.errors import Error, MisuseError, PeerError, WorldError

INDEX = Path(__file__).resolve().parents[2] / "docs" / "errors.md"
FAMILIES = {MisuseError: 2, PeerError: 3, WorldError: 4}


def classes() -> list[type[Error]]:
    members = [each for _, each in inspect.getmembers(errors, inspect.isclass)]
    found = [each for each in members if issubclass(each, Error) and each is not Error]
    assert len(found) > 15
    return found


def test_codes_are_distinct_words() -> None:
    codes = [each.code for each in classes()]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in codes)


def test_each_error_is_of_one_family_and_has_its_status() -> None:
    for each in classes():
        families = [family for family in FAMILIES if family in each.__mro__]
        assert len(families) == 1
        assert each.exit_status == FAMILIES[families[0]]


def test_the_index_lists_every_code_with_its_status() -> None:
    listed = dict(re.findall(r"^\| `([a-z-]+)` \| (\d) \|", INDEX.read_text(), re.MULTILINE))
    assert listed == {each.code: str(each.exit_status) for each in classes()}
