"""Addresses and certificates of servers."""

from pathlib import Path

import pytest

from server.engine.base import Card
from server.engine.upstream.access import UpstreamOptions, base_url, certificates


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://gpu:8000", "http://gpu:8000"),
        (" http://gpu:8000/ ", "http://gpu:8000"),
        ("http://gpu:8000/v1", "http://gpu:8000"),
        ("http://gpu:8000/v1/", "http://gpu:8000"),
        ("https://models.example/team/v1", "https://models.example/team"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://GPU.example", "https://gpu.example"),
    ],
)
def test_an_address_has_one_form(given: str, url: str) -> None:
    assert base_url(given) == url


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("gpu:8000", "http://"),
        ("ftp://gpu", "http://"),
        ("http://", "host"),
        ("http://gpu:port", "no URL"),
        ("http://gpu:99999", "no URL"),
        ("http://[::1", "no URL"),
        ("http://me:secret@gpu", "password"),
        ("http://gpu?x=1", "query"),
        ("http://gpu#x", "fragment"),
    ],
)
def test_what_is_no_address_is_refused_without_repeating_it(given: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as raised:
        base_url(given)
    assert "secret" not in str(raised.value)


def test_certificates_are_read_once() -> None:
    assert certificates(None) is certificates(None)


def test_a_file_without_certificates_is_an_error(tmp_path: Path) -> None:
    empty = tmp_path / "ca.pem"
    empty.write_text("nothing")
    with pytest.raises(OSError):
        certificates(empty)


def test_a_key_is_not_shown() -> None:
    card = Card(model="it", window_tokens=1, vocabulary_tokens=1)
    assert "secret" not in repr(UpstreamOptions(card=card, model="it", key="secret"))
