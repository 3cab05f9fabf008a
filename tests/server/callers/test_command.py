"""``longhand keys``: what it writes, prints and refuses."""

import os
from pathlib import Path
from typing import Any

import pytest

from server import cli
from server.callers.key_file import read
from server.callers.keys import digest_of


@pytest.fixture
def keys(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Any:
    """Runs ``longhand keys`` on a file that the environment names."""
    monkeypatch.setenv("LONGHAND_KEYS_FILE", str(tmp_path / "keys.jsonl"))

    def run(*argv: str) -> tuple[int, str, str]:
        code = cli.main(("keys", *argv))
        return code, *capsys.readouterr()

    return run


def test_a_key_is_printed_once_and_only_its_hash_is_kept(keys: Any, tmp_path: Path) -> None:
    code, out, err = keys("add", "press", "--max-words", "500", "--requests-per-minute", "6")
    assert (code, err) == (0, "longhand: this is the key of 'press'; it is stored nowhere\n")
    key = out.removesuffix("\n")
    (entry,) = read(tmp_path / "keys.jsonl")
    assert (entry.name, entry.digest) == ("press", digest_of(key))
    assert (entry.ceilings.max_words, entry.ceilings.requests_per_minute) == (500, 6)
    assert key not in (tmp_path / "keys.jsonl").read_text(encoding="utf-8")


def test_the_list_names_keys_and_their_limits(keys: Any, tmp_path: Path) -> None:
    keys("add", "press", "--max-words", "500")
    keys("add", "desk")
    press, desk = read(tmp_path / "keys.jsonl")
    assert keys("list") == (
        0,
        f"press {press.key.id} {press.created} max_words=500\ndesk {desk.key.id} {desk.created}\n",
        "",
    )


def test_a_revoked_key_is_gone_and_its_name_free(keys: Any) -> None:
    keys("add", "press")
    assert keys("revoke", "press") == (0, "", "")
    assert keys("list") == (0, "", "")
    assert keys("add", "press")[0] == 0


def test_a_flag_names_another_file(keys: Any, tmp_path: Path) -> None:
    assert keys("add", "press", "--file", str(tmp_path / "other"))[0] == 0
    assert os.listdir(tmp_path) == ["other"]


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (("add", "a b"), "'a b' is no name: letters, digits, '.', '_' and '-', at most 64, a "
                         "letter or digit first"),
        (("add", "known"), "there is a key 'known' already; revoke it first, or choose a name"),
        (("revoke", "nobody"), "there is no key 'nobody' in {file}"),
        (("list", "--file", "/nowhere/at/all"), "/nowhere/at/all: No such file or directory"),
        (("add", "x", "--file", "/nowhere/at/all"), "/nowhere/at/all: No such file or directory"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_sentence_and_2(
    keys: Any, tmp_path: Path, argv: tuple[str, ...], sentence: str
) -> None:
    keys("add", "known")
    told = sentence.format(file=tmp_path / "keys.jsonl")
    assert keys(*argv) == (2, "", f"longhand: {told}\n")


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5"])
def test_a_limit_is_a_whole_number(keys: Any, number: str) -> None:
    with pytest.raises(SystemExit):
        keys("add", "press", f"--max-words={number}")


def test_without_a_file_it_asks_which(keys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LONGHAND_KEYS_FILE")
    assert keys("list") == (
        2,
        "",
        "longhand: which file? --file FILE, or LONGHAND_KEYS_FILE; the server's keys_file\n",
    )
