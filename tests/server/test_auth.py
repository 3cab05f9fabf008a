"""Bearer keys, kept as hashes."""

import hashlib

import pytest
from starlette.datastructures import Headers

from server.auth import Caller, Keys
from server.errors import Unauthorized

KEY = "sk-one"
DIGEST = hashlib.sha256(KEY.encode()).hexdigest()


def headers(value: str | None) -> Headers:
    return Headers({} if value is None else {"authorization": value})


@pytest.mark.parametrize("value", [None, "Bearer anything", "Basic x"])
def test_an_open_server_takes_anyone(value: str | None) -> None:
    assert Keys.of([]).caller(headers(value)) == Caller("anyone")


@pytest.mark.parametrize("known", [KEY, f"sha256:{DIGEST}"])
@pytest.mark.parametrize("value", [f"Bearer {KEY}", f"bearer {KEY}", f"BEARER  {KEY} "])
def test_a_known_key_is_its_caller_in_plain_text_or_hashed(known: str, value: str) -> None:
    keys = Keys.of(["sk-other", known])
    assert keys.caller(headers(value)) == Caller(DIGEST[:8])


@pytest.mark.parametrize("value", [None, "", "Bearer", "Bearer ", f"Basic {KEY}", KEY])
def test_without_a_key_the_caller_is_told_how_to_send_one(value: str | None) -> None:
    with pytest.raises(Unauthorized, match="Authorization: Bearer KEY"):
        Keys.of([KEY]).caller(headers(value))


@pytest.mark.parametrize("key", ["sk-two", f"sha256:{DIGEST}", DIGEST])
def test_an_unknown_key_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(Unauthorized) as caught:
        Keys.of([KEY]).caller(headers(f"Bearer {key}"))
    assert key not in str(caught.value)


@pytest.mark.parametrize("wrong", ["sha256:", "sha256:00ff", "sha256:" + "z" * 64])
def test_a_hash_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError):
        Keys.of([wrong])


def test_no_key_is_kept() -> None:
    assert KEY not in repr(Keys.of([KEY]))
