"""Which server the pen talks to."""

import pytest

from server.pen.address import address_of
from server.pen.outcomes import Misused

SET = {"LONGHAND_URL": "http://there:1", "LONGHAND_API_KEY": "secret"}


def test_without_a_word_it_is_the_server_on_this_machine() -> None:
    address = address_of(None, None, {})
    assert (address.url, address.key, address.flag) == ("http://127.0.0.1:8000", None, "")


def test_the_environment_names_it_and_its_key() -> None:
    address = address_of(None, None, SET)
    assert (address.url, address.key, address.flag) == ("http://there:1", "secret", "")


def test_flags_come_first_and_the_key_is_never_in_a_hint() -> None:
    address = address_of("https://here", "other", SET)
    assert (address.url, address.key) == ("https://here", "other")
    assert address.flag == " --url https://here"


@pytest.mark.parametrize(
    "given", ["http://here", "http://here/", "http://here/v1", "http://here/v1/"]
)
def test_an_address_of_the_api_is_one_of_its_server(given: str) -> None:
    assert address_of(given, None, {}).url == "http://here"


def test_a_path_before_the_api_stays() -> None:
    assert address_of("https://proxy/team/v1", None, {}).url == "https://proxy/team"


@pytest.mark.parametrize("given", ["here:8000", "ftp://here", "http://", "http:/v1", "here"])
def test_what_is_no_address_is_said_so(given: str) -> None:
    with pytest.raises(Misused, match=r"is no address of a server, such as http://127\.0\.0\.1"):
        address_of(given, None, {})
