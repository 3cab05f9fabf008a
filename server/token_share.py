"""Shares the tokens of one piece out to the channels. It must not know drafts."""

from collections.abc import Sequence

from server.channels import Span
from server.engine.base import Text
from server.events import Channel


def reasoning_share(piece: Text, spans: Sequence[Span], *, before: Channel, after: Channel) -> int:
    """How many of a piece's tokens are reasoning; ``before`` and ``after``: the channels it met.

    A single token is counted where it begins, or as answer once it shows some. When several
    arrive together across the border, they are shared out by characters.
    Worked number: 4 tokens, 10 of 20 characters reasoning -> 2.
    """
    num_tokens = piece.num_tokens
    if before is Channel.ANSWER and after is Channel.ANSWER:
        return 0
    shown = {span.channel for span in spans}
    if num_tokens == 1 or shown == {Channel.ANSWER}:
        return num_tokens if before is Channel.REASONING and Channel.ANSWER not in shown else 0
    if before is after:
        return num_tokens if before is Channel.REASONING else 0
    # A span may begin with white space of earlier pieces, so its length is no bound.
    reasoning_chars = sum(len(s.text) for s in spans if s.channel is Channel.REASONING)
    return min(num_tokens, round(num_tokens * reasoning_chars / max(1, len(piece.text))))
