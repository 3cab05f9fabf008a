"""A job that goes on inside a character: the ids vLLM is sent, and its first text, set right.

It must not know how the server is reached.
"""

from dataclasses import dataclass, field, replace

from server.engine.base import Job, Text
from server.engine.upstream.texts import Texts


async def with_ids(job: Job, texts: Texts) -> "tuple[Job, Break | None]":
    """The job with its token ids, and how its first text is to be mended, if it is.

    vLLM 0.32 hands tokenizers' DecodeStream the prompt's ids; where those break off inside a
    character, the first text that it writes is the whole prompt once more, and a stop string in it
    would end the text at once (as in ``vllm_in_process``).
    """
    if job.prompt.token_ids is None:
        job = replace(job, prompt=await texts.passage(job.prompt.text))
    if job.written.token_ids is None:
        job = replace(job, written=await texts.passage(job.written.text))
    ids = (*(job.prompt.token_ids or ()), *(job.written.token_ids or ()))
    if job.prompt.text and not job.written.num_tokens:
        # The ids of a whole text end where it does.
        return job, None
    repeated = await texts.text_before_break(ids)
    if repeated is None:
        return job, None
    stops = tuple(stop for stop in job.stop if stop not in repeated)
    return replace(job, stop=stops), Break(texts, ids)


@dataclass(slots=True)
class Break:
    """A place inside a character, and the first tokens behind it."""

    texts: Texts
    before: tuple[int, ...]
    _behind: list[int] = field(default_factory=list)
    _is_mended: bool = False

    async def mended(self, piece: Text) -> Text:
        """The piece with the text that its tokens really add."""
        if self._is_mended:
            return piece
        self._behind.extend(piece.token_ids or ())
        if not piece.text:
            return piece
        self._is_mended = True
        return replace(piece, text=await self.texts.text_behind(self.before, self._behind))
