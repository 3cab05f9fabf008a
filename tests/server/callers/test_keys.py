"""Bearer keys, kept as hashes."""

import hashlib

import pytest
from starlette.datastructures import Headers

from server.callers.caller import ANYONE, Caller, Ceilings
from server.callers.keys import Key, Keys, digest_of, hash_text, keys_of, new_key
from server.errors import Unauthorized

KEY = "sk-one"
DIGEST = hashlib.sha256(KEY.encode()).hexdigest()


def headers(value: str | None) -> Headers:
    return Headers({} if value is None else {"authorization": value})


@pytest.mark.parametrize("value", [None, "Bearer anything", "Basic x"])
def test_an_open_server_takes_anyone(value: str | None) -> None:
    assert Keys(is_open=True).caller(headers(value)) == ANYONE


def test_a_server_whose_last_key_was_revoked_is_not_open() -> None:
    with pytest.raises(Unauthorized):
        Keys().caller(headers("Bearer anything"))


@pytest.mark.parametrize("known", [KEY, f"sha256:{DIGEST}"])
@pytest.mark.parametrize("value", [f"Bearer {KEY}", f"bearer {KEY}", f"BEARER  {KEY} "])
def test_a_known_key_is_its_caller_in_plain_text_or_hashed(known: str, value: str) -> None:
    keys = Keys(keys=keys_of(["sk-other", known]))
    assert keys.caller(headers(value)) == Caller(name=DIGEST[:8], label="unnamed")


def test_a_caller_has_its_keys_name_and_ceilings_and_the_servers_where_it_has_none() -> None:
    own = Key(digest=digest_of(KEY), label="press", ceilings=Ceilings(max_words=500))
    keys = Keys(keys=(own,), default=Ceilings(max_words=900, max_drafts=2))
    caller = keys.caller(headers(f"Bearer {KEY}"))
    assert (caller.label, caller.ceilings) == ("press", Ceilings(max_words=500, max_drafts=2))
    assert keys.named(DIGEST[:8]) == caller


def test_a_caller_whose_key_is_gone_has_no_label_and_no_ceilings() -> None:
    keys = Keys(default=Ceilings(max_drafts=2))
    assert keys.named("00ff00ff") == Caller(name="00ff00ff", label="unnamed")
    assert Keys(is_open=True).named("anyone") == ANYONE


@pytest.mark.parametrize("value", [None, "", "Bearer", "Bearer ", f"Basic {KEY}", KEY])
def test_without_a_key_the_caller_is_told_how_to_send_one(value: str | None) -> None:
    with pytest.raises(Unauthorized, match="Authorization: Bearer KEY"):
        Keys(keys=keys_of([KEY])).caller(headers(value))


@pytest.mark.parametrize("key", ["sk-two", f"sha256:{DIGEST}", DIGEST])
def test_an_unknown_key_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(Unauthorized) as caught:
        Keys(keys=keys_of([KEY])).caller(headers(f"Bearer {key}"))
    assert key not in str(caught.value)


@pytest.mark.parametrize("wrong", ["sha256:", "sha256:00ff", "sha256:" + "z" * 64])
def test_a_hash_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError):
        keys_of([wrong])


def test_no_key_is_kept() -> None:
    assert KEY not in repr(Keys(keys=keys_of([KEY])))


def test_a_new_key_is_long_and_found_by_its_hash() -> None:
    key = new_key()
    assert len(key) > 40
    assert key != new_key()
    assert digest_of(hash_text(digest_of(key))) == digest_of(key)
