"""The keys in force while their file changes."""

import logging
from pathlib import Path

import pytest

from server.callers import key_file
from server.callers.key_file import BadKeyFile, Entry
from server.callers.keyring import Keyring
from server.callers.keys import Keys, digest_of, keys_of


def entry(name: str) -> Entry:
    return Entry(name=name, digest=digest_of(f"sk-{name}"))


class Watched:
    """A keyring, its file, a clock, and what it told of its readings."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "keys.jsonl"
        key_file.append(self.path, entry("press"))
        self.now_s = 0.0
        self.told: list[int | None] = []
        self.ring = Keyring(
            path=self.path,
            always=Keys(keys=keys_of(["sk-always"])),
            on_read=self.told.append,
            monotonic=lambda: self.now_s,
        )
        self.ring.open()

    def labels(self) -> list[str]:
        return [key.label for key in self.ring.current().keys]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_the_keys_of_the_file_stand_beside_those_of_the_environment(watched: Watched) -> None:
    assert watched.labels() == ["unnamed", "press"]
    assert watched.told == [2]


def test_a_change_is_seen_within_a_second_and_not_looked_for_before(watched: Watched) -> None:
    key_file.append(watched.path, entry("desk"))
    watched.now_s = 0.9
    assert watched.labels() == ["unnamed", "press"]
    watched.now_s = 1.0
    assert watched.labels() == ["unnamed", "press", "desk"]
    key_file.remove(watched.path, "press")
    watched.now_s = 2.0
    assert watched.labels() == ["unnamed", "desk"]
    assert watched.told == [2, 3, 2]


def test_a_file_that_did_not_change_is_not_read_again(watched: Watched) -> None:
    watched.now_s = 5.0
    watched.labels()
    assert watched.told == [2]


@pytest.mark.parametrize("content", ["{", None])
def test_a_broken_file_leaves_the_keys_and_is_told_of_once(
    watched: Watched, caplog: pytest.LogCaptureFixture, content: str | None
) -> None:
    if content is None:
        watched.path.unlink()
    else:
        watched.path.write_text(content, encoding="utf-8")
    for now_s in (1.0, 2.0, 3.0):
        watched.now_s = now_s
        assert watched.labels() == ["unnamed", "press"]
    assert watched.told == [2, None]
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(said) == 1
    assert said[0].startswith(f"the keys stay as they were: {watched.path}: ")


def test_a_file_that_was_mended_is_taken(watched: Watched) -> None:
    watched.path.write_text("{", encoding="utf-8")
    watched.now_s = 1.0
    watched.labels()
    watched.path.write_text("", encoding="utf-8")
    watched.now_s = 2.0
    assert watched.labels() == ["unnamed"]
    assert watched.told == [2, None, 1]


def test_an_operator_need_not_wait_for_the_second(watched: Watched) -> None:
    key_file.append(watched.path, entry("desk"))
    watched.ring.reload()
    assert watched.labels() == ["unnamed", "press", "desk"]


def test_a_file_that_is_broken_from_the_first_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadKeyFile):
        Keyring(path=tmp_path / "none", always=Keys()).open()


def test_without_a_file_there_is_nothing_to_look_at() -> None:
    ring = Keyring(path=None, always=Keys(keys=keys_of(["sk-always"])))
    ring.open()
    ring.reload()
    assert [key.label for key in ring.current().keys] == ["unnamed"]
