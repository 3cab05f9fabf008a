"""The file of keys: what it may hold, and how it is changed."""

import json
import os
import stat
from pathlib import Path

import pytest

from server.callers import key_file
from server.callers.caller import Ceilings
from server.callers.key_file import BadKeyFile, Entry, parse, read
from server.callers.keys import digest_of, hash_text

HASH = hash_text(digest_of("sk-one"))
OTHER = hash_text(digest_of("sk-two"))


def line(**fields: object) -> str:
    return json.dumps({"name": "press", "hash": HASH, **fields})


def entry(name: str = "press", key: str = "sk-one", **ceilings: int) -> Entry:
    return Entry(
        name=name, digest=digest_of(key), created="2026-11-21", ceilings=Ceilings(**ceilings)
    )


def test_a_line_is_a_key_with_its_name_and_ceilings() -> None:
    (found,) = parse(f"# of the house\n\n{line(max_words=500, created='2026-11-21')}\n")
    assert found == entry(max_words=500)
    assert (found.key.label, found.key.ceilings.max_words) == ("press", 500)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1: this is no JSON"),
        ("[" * 100_000, "line 1: this is no JSON"),
        ("[]", "line 1: this is no JSON object"),
        (line(max_word=5), "line 1: there is no field 'max_word'; there are: name, hash, created, "
                           "requests_per_minute, tokens_per_minute, max_drafts, max_best_of, "
                           "max_words, max_tokens"),
        ("# a\n" + line(name=""), f"line 2: name: {key_file.NAME_RULE}"),
        (line(name="a b"), f"line 1: name: {key_file.NAME_RULE}"),
        (line(name="x" * 65), f"line 1: name: {key_file.NAME_RULE}"),
        (line(name=None), f"line 1: name: {key_file.NAME_RULE}"),
        (line(hash="sk-one"), "line 1: hash: 'sha256:' and 64 hexadecimal digits"),
        (line(hash="sha256:00"), "line 1: hash: 'sha256:' and 64 hexadecimal digits"),
        (line(hash=5), "line 1: hash: 'sha256:' and 64 hexadecimal digits"),
        (line(max_words=0), "line 1: max_words: a whole number from 1"),
        (line(max_words=True), "line 1: max_words: a whole number from 1"),
        (line(max_words="5"), "line 1: max_words: a whole number from 1"),
        (line() + "\n" + line(hash=OTHER), "line 2: name: there are two keys 'press'"),
        (line() + "\n" + line(name="b"), "line 2: hash: this key is there twice"),
    ],
)  # fmt: skip
def test_what_is_no_list_of_keys_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(BadKeyFile) as caught:
        parse(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("content", "message"), [(None, "No such file or directory"), (b"\xff", "codec can't decode")]
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "keys.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadKeyFile, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_what_was_added_is_read_and_what_was_removed_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "keys.jsonl"
    path.write_text("# of the house", encoding="utf-8")
    first, second = entry(max_drafts=2, tokens_per_minute=9), entry("desk", "sk-two")
    key_file.append(path, first)
    key_file.append(path, second)
    assert read(path) == (first, second)
    key_file.remove(path, "press")
    assert read(path) == (second,)
    assert path.read_text(encoding="utf-8").startswith("# of the house\n")


def test_no_key_is_in_the_file_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keys.jsonl"
    key_file.append(path, entry())
    assert "sk-one" not in path.read_text(encoding="utf-8")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_elsewhere_is_changed_where_it_is_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    there, link = tmp_path / "real" / "keys.jsonl", tmp_path / "keys.jsonl"
    link.symlink_to(there)
    key_file.append(link, entry())
    assert link.is_symlink()
    assert read(there) == (entry(),)


def test_a_change_that_fails_leaves_the_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys.jsonl"
    key_file.append(path, entry())

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        key_file.append(path, entry("desk", "sk-two"))
    assert read(path) == (entry(),)
    assert os.listdir(tmp_path) == ["keys.jsonl"]
