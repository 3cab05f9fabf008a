"""The contract of an engine and the values that cross it. It must not import any engine."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Literal, Protocol, Self

from server.events import TokenLogprob


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What an engine serves. ``window_tokens`` bounds prompt and writing together.

    kv_tokens: how many its KV cache holds, of all drafts together; None where it cannot tell, or
    not yet.
    """

    model: str
    window_tokens: int
    vocabulary_tokens: int
    kv_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the next token is drawn; names and ranges are vLLM's (vllm/sampling_params.py, 0.32).

    logprobs: how many rivals to report per token, None for no log-probabilities at all.
    """

    temperature: float
    top_p: float
    top_k: int = 0
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    seed: int | None = None
    logprobs: int | None = None
    logit_bias: tuple[tuple[int, float], ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    allowed_token_ids: tuple[int, ...] = ()
    bad_words: tuple[str, ...] = ()
    min_tokens: int = 0
    ignore_eos: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Text with its token ids; ids are None where the engine has no tokenizer to offer."""

    text: str
    token_ids: tuple[int, ...] | None
    num_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One stretch of writing: carry on from prompt + written, for at most ``max_tokens`` more.

    stop: at most four strings (vLLM's VLLM_MAX_STOP_STRINGS). An engine that meets one ends the
    stream with the string still in the text, so that nothing has to be held back.
    """

    id: str
    prompt: Passage
    written: Passage
    sampling: Sampling
    max_tokens: int
    stop: tuple[str, ...] = ()
    priority: int = 0

    def after(self, written: Passage, *, max_tokens: int) -> "Job":
        """The same job once ``written`` stands on the page: the one way to continue."""
        return replace(self, written=written, max_tokens=max_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Newly written text and the tokens it took, in order.

    token_ids: None where the engine tells none; ``estimated_tokens`` is their number then.
    moves: how often another engine had to carry the stream on since the piece before.
    """

    text: str
    token_ids: tuple[int, ...] | None
    logprobs: tuple[TokenLogprob, ...] = ()
    estimated_tokens: int = 0
    moves: int = 0

    @property
    def num_tokens(self) -> int:
        """How many tokens the text took."""
        return self.estimated_tokens if self.token_ids is None else len(self.token_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The stream is over. ``stop`` is the stop string met, None for the model's own end.

    cached_tokens: prompt tokens that were in the prefix cache.
    end_token: whether the last token id is the one that ended the text; it is no part of it, and a
    text carried on must not hold it in its middle. moves: as a text's.
    """

    reason: Literal["stop", "length"]
    stop: str | None = None
    cached_tokens: int = 0
    end_token: bool = False
    moves: int = 0


Piece = Text | End


class Engine(Protocol):
    """Writes text. Enter it before use; leave it to free its model and its processes.

    An engine that dies, or is left, ends every stream it has with EngineDied; none may hang.
    """

    @property
    def card(self) -> Card:
        """What is served; readable before the engine is entered."""
        ...

    def stream(self, job: Job) -> AsyncGenerator[Piece, None]:
        """Text pieces, then exactly one End. Closing the generator frees the slot at once.

        Raises:
            EngineUnavailable: it cannot answer now, or it died; another engine may carry on.
            BadRequest: no engine of this kind would take this job.
        """
        ...

    async def tokenize(self, text: str) -> Passage:
        """The text with its token ids, no special tokens added.

        Raises:
            EngineUnavailable: there is no tokenizer yet.
        """
        ...

    async def watch(self) -> str:
        """Returns only when the engine has died, with the reason in a sentence."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...


NOTHING_WRITTEN = Passage(text="", token_ids=(), num_tokens=0)
