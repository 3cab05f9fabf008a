"""One draft as it stands: its log, its channels, its tokens. It must not decide how it goes on.

Pieces go in and fragments come out; what is held of thinking and answer can be cut and gone on
from. No I/O, no async, no engine.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from server.channels import Span, Splitter, State
from server.engine.base import Passage, Text
from server.engine.log import Log
from server.events import Channel, Fragment, TokenLogprob
from server.page import Page
from server.places import Places
from server.rules import Rules
from server.stops import StopFinder
from server.thinking import Thinking
from server.token_share import reasoning_share
from server.window import Window


@dataclass(slots=True)
class Manuscript:
    """The log of one draft and all that is read out of it. ``raw`` rules switch the tags off."""

    rules: Rules
    log: Log = field(default_factory=Log)
    splitter: Splitter = field(init=False)
    stop_finder: StopFinder | None = field(init=False)
    thinking: Thinking = field(init=False)
    page: Page | None = None
    window: Window | None = None
    num_windows: int = 1
    moves: int = 0
    reasoning_tokens: int = 0
    answer_tokens: int = 0
    # Where in the log a thinking ended that is to be asked for an outline.
    ask_at_chars: int | None = None
    _places: Places = field(default_factory=Places)
    _put_chars: int = 0
    _split_chars: int = 0
    # Tokens that may still turn out to be a tag.
    _pending: list[TokenLogprob] = field(default_factory=list)

    def __post_init__(self) -> None:
        state = State.ANSWER if self.rules.raw else State.START
        self.splitter = Splitter(thinking=self.rules.thinking, state=state)
        self.stop_finder = StopFinder(self.rules.stops) if self.rules.stops else None
        self.thinking = Thinking(rules=self.rules)

    @property
    def answer_begun(self) -> bool:
        return self.page is not None

    @property
    def num_tokens(self) -> int:
        """Tokens the engine generated for this draft so far."""
        return self.reasoning_tokens + self.answer_tokens

    @property
    def tokens_left(self) -> int:
        return self.rules.max_tokens - self.num_tokens

    def put(self, words: Passage, *, rest_chars: int = 0) -> list[Fragment]:
        """Words that the gateway, not the model, writes into the log, the first ``rest_chars`` of
        them on the page already; returns the fragments they complete."""
        self.log.append(words.text, words.token_ids, words.num_tokens)
        fragments = self._fragments(self._split(words.text[rest_chars:]), put=True)
        self._put_chars = self._split_chars
        return fragments

    def take(self, piece: Text) -> list[Fragment]:
        """Appends a piece to the log and returns the fragments it completes.

        Where the text of each token is known they are taken one by one, so that tokens that
        arrive together are counted and reported as if they had come singly.
        """
        self.moves += piece.moves
        tokens = piece.logprobs
        if len(tokens) < 2 or "".join(one.token for one in tokens) != piece.text:
            return self._take(piece)
        singly = (Text(text=t.token, token_ids=(t.token_id,), logprobs=(t,)) for t in tokens)
        return [fragment for one in singly for fragment in self._take(one)]

    def _take(self, piece: Text) -> list[Fragment]:
        self.log.append(piece.text, piece.token_ids, piece.num_tokens)
        before = self.splitter.channel
        spans = self._split(piece.text)
        num_reasoning = reasoning_share(piece, spans, before=before, after=self.splitter.channel)
        self.reasoning_tokens += num_reasoning
        self.answer_tokens += piece.num_tokens - num_reasoning
        self._keep_logprobs(piece)
        return self._fragments(spans)

    def script(self) -> Passage:
        """What stands on the page of the present window."""
        return self.log.script() if self.window is None else self.window.script(self.log)

    @property
    def answer_from_chars(self) -> int:
        """Where in the log the answer begins; for a draft whose answer has begun."""
        return self._places.log_chars(0)

    @property
    def brought_nothing(self) -> bool:
        """Whether the model has added nothing to the words that were put last."""
        return self._split_chars <= self._put_chars

    def cut_thinking(self, at_chars: int) -> str:
        """The thinking goes on at a place of the log; returns what is to be put again."""
        self.splitter.rewind(at_chars, thinking=True)
        self.ask_at_chars = None
        return self.log.cut(at_chars)

    def cut_answer(self, page: Page, num_chars: int) -> str:
        """The answer goes on behind its first ``num_chars`` characters, of which none behind was
        sent; returns what is to be put again."""
        at_chars = self._places.log_chars(num_chars)
        self.splitter.rewind(at_chars)
        self._split_chars = self._put_chars = num_chars
        self._pending.clear()
        page.cut(num_chars)
        if self.stop_finder is not None:
            self.stop_finder.finish()
        return self.log.cut(at_chars)

    def finish(self) -> list[Fragment]:
        """The last fragments, once nothing follows."""
        fragments = self._fragments(self.splitter.finish()) + self.thinking.end()
        if self.page is None:
            return fragments
        if self.stop_finder is not None and self.stop_finder.hit is None:
            fragments += self.page.feed(self.stop_finder.finish())
        return fragments + self.page.finish()

    def _split(self, text: str) -> list[Span]:
        if self.rules.raw:
            return [Span(Channel.ANSWER, text)] if text else []
        return self.splitter.feed(text)

    def _keep_logprobs(self, piece: Text) -> None:
        """Keeps what goes out with the next answer text: answer tokens, tag tokens left out."""
        if self.splitter.tag_seen and len(piece.logprobs) <= 1:
            self._pending.clear()
        elif self.splitter.channel is Channel.ANSWER:
            self._pending.extend(piece.logprobs)

    def _fragments(self, spans: Sequence[Span], *, put: bool = False) -> list[Fragment]:
        fragments: list[Fragment] = []
        for span in spans:
            if span.channel is Channel.REASONING:
                ends_at = self.splitter.written_chars if span is spans[-1] else None
                fragments += self.thinking.feed(span.text, ends_at)
                continue
            fragments += self._end_thinking(put=put)
            if self.ask_at_chars is None:
                fragments += self._answer(span.text)
        if spans and spans[-1].channel is Channel.ANSWER and self.page is not None:
            self._places.note(self._split_chars, self.splitter.written_chars)
        if self.splitter.state is not State.THINK:
            fragments += self._end_thinking(put=put)
        return fragments

    def _end_thinking(self, *, put: bool) -> list[Fragment]:
        """What is held of a thinking that is over; the model, not a put word, may have to add."""
        at_chars = self.thinking.ends_at
        if at_chars is not None and not put and self.page is None:
            text = "".join(self.log.parts)[:at_chars]
            if self.thinking.lacks_outline(text, self.reasoning_tokens):
                self.ask_at_chars = at_chars
        return self.thinking.end()

    def _answer(self, text: str) -> list[Fragment]:
        if self.page is None:
            thinking = "".join(self.log.parts) if self.rules.thinking else ""
            self.page = Page(policies=self.rules.policies(thinking))
        self._split_chars += len(text)
        shown = self.stop_finder.feed(text) if self.stop_finder else text
        logprobs, self._pending = self._pending, []
        return self.page.feed(shown, logprobs)
