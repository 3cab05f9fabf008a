"""Who may start a server that anybody can use."""

from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from server.app import choose, create_app
from server.errors import CannotServe
from server.reception import is_loopback, openness
from server.settings import Settings


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True),
     ("0.0.0.0", False), ("::", False), ("", False), ("10.0.0.1", False), ("box.example", False)],
)  # fmt: skip
def test_only_this_machines_own_addresses_are_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def created(**given: Any) -> None:
    settings = Settings(engine="scripted", drafts="off", **given)
    create_app(settings, choose(settings), registry=CollectorRegistry())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "box.example"])
def test_beyond_this_machine_a_server_without_keys_does_not_start_and_says_what_to_do(
    host: str,
) -> None:
    with pytest.raises(CannotServe, match="longhand keys add NAME.*allow_anonymous: true"):
        created(host=host)


@pytest.mark.parametrize(
    "given", [{"allow_anonymous": True}, {"api_keys": ("sk-one",)}, {"host": "127.0.0.1"}]
)
def test_with_keys_or_if_told_so_or_on_this_machine_it_starts(given: dict[str, Any]) -> None:
    created(**{"host": "0.0.0.0", **given})
    assert openness(Settings(**{"host": "0.0.0.0", **given})) is None


def test_a_key_file_that_is_not_there_refuses_the_start(tmp_path: Path) -> None:
    with pytest.raises(CannotServe, match=r"^keys_file: .*No such file.*`longhand keys add NAME`"):
        created(keys_file=tmp_path / "keys.jsonl")


def test_a_proxy_that_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="'proxy' is no address and no network"):
        Settings(trusted_proxies=("10.0.0.0/8", "proxy"))
