"""The settings of servers that write for this one."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, SecretStr, field_validator


class UpstreamSettings(BaseModel):
    """Which servers, how they are reached, how long they are waited for; a part of ``Settings``."""

    upstream: tuple[str, ...] = Field(
        (), description="URLs of the servers that the engine `upstream` writes with"
    )
    upstream_model: str | None = Field(
        None, description="name of the model at these servers; by default the only one they have"
    )
    upstream_key: SecretStr | None = Field(None, description="API key that these servers ask for")
    upstream_ca_file: Path | None = Field(
        None, description="PEM file of authorities for their certificates; by default the system's"
    )
    upstream_wait_s: float = Field(
        120.0, ge=0, description="how long a start waits for one of them to answer, in seconds"
    )
    upstream_connect_timeout_s: float = Field(
        5.0, gt=0, description="for a connection to one of them, in seconds"
    )
    upstream_first_token_timeout_s: float = Field(
        300.0, gt=0, description="from a request to its first token, their queue included"
    )
    upstream_idle_timeout_s: float = Field(
        60.0, gt=0, description="between two tokens, before a stream counts as stalled, in seconds"
    )
    upstream_total_timeout_s: float = Field(
        0.0, ge=0, description="for one stream from its request to its end, in seconds; 0: no bound"
    )
    upstream_max_moves: int = Field(
        3, ge=0, description="how often one stream may be carried on by another of them"
    )
    upstream_move_wait_s: float = Field(
        120.0, ge=0, description="how long a stream waits for one of them to take it, in seconds"
    )
    upstream_resolve_s: float = Field(
        30.0, gt=0, description="pause between look-ups of their names, in seconds"
    )
    upstream_slow_start_s: float = Field(
        30.0, ge=0, description="after which one that came up is given its full share, in seconds"
    )

    @field_validator("upstream", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        """Several in one string are separated by commas, in a list too."""
        given = [value] if isinstance(value, str) else value
        if not isinstance(given, list | tuple) or not all(isinstance(one, str) for one in given):
            return value
        return [url.strip() for one in given for url in one.split(",") if url.strip()]
