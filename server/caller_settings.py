"""The settings of callers and of what a connection may take."""

from ipaddress import ip_network
from pathlib import Path

from pydantic import BaseModel, Field, SecretStr, field_validator


class CallerSettings(BaseModel):
    """Who may call, how much, and how; a part of ``Settings``."""

    api_keys: tuple[SecretStr, ...] = Field(
        (), description="keys, or `sha256:` and the hash of one, beside those of `keys_file`"
    )
    keys_file: Path | None = Field(
        None, description="file of keys that `longhand keys` writes, read again when it changes"
    )
    allow_anonymous: bool = Field(False, description="serve without keys beyond this machine, too")
    max_drafts_per_key: int | None = Field(
        None, ge=1, description="drafts of one API key, running or queued; more is a 429"
    )
    requests_per_minute_per_key: int | None = Field(
        None, ge=1, description="requests for work of one API key; more is a 429"
    )
    tokens_per_minute_per_key: int | None = Field(
        None, ge=1, description="tokens of one API key, prompts included; then it is a 429"
    )
    max_header_bytes: int = Field(
        32 * 1024, ge=1024, description="most of a request's first line and headers; more is a 431"
    )
    max_headers: int = Field(100, ge=10, description="most headers of a request; more is a 431")
    receive_timeout_s: float = Field(
        60.0, gt=0, description="in which a request's headers, then its body must come, in seconds"
    )
    send_timeout_s: float = Field(
        60.0, gt=0, description="after which a client that does not read is cut, in seconds"
    )
    trusted_proxies: tuple[str, ...] = Field(
        (), description="addresses and networks whose `X-Forwarded-For` is believed"
    )
    cors_origins: tuple[str, ...] = Field(
        (), description="origins whose pages in a browser may call, `*` for all; none: CORS is off"
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        """uvicorn takes what is no address for a name and then trusts nobody."""
        for one in given:
            try:
                ip_network(one)
            except ValueError:
                raise ValueError(f"{one!r} is no address and no network") from None
        return given
