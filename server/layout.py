"""Lays a request out before anything is spent: its length, prompt and budget. It writes nothing."""

from dataclasses import dataclass, field
from typing import Protocol

from planner.brief import Brief
from planner.budget import DoesNotFit, tokens_per_word
from planner.length import Asked
from planner.plan import Plan, asked_of, make_plan, request_language, worded
from planner.prompts import Prompter
from planner.samples import SAMPLES
from planner.words import Language, count_words
from server.engine.base import NOTHING_WRITTEN, Card, Passage
from server.errors import ContextTooLong


class Tokenizes(Protocol):
    """What laying out needs of an engine; a checkpoint's tokenizer beside its card is enough."""

    @property
    def card(self) -> Card: ...

    async def tokenize(self, text: str) -> Passage: ...


class Predicts(Protocol):
    """Guesses the length of an answer to a request that states none."""

    async def predict(self, brief: Brief) -> Asked:
        """A range with source "predicted", or ``length.NOTHING``; it never raises."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """A plan, and its prompt in tokens: what the engine reads and what the answer begins with."""

    plan: Plan
    prompt: Passage
    written: Passage


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Lays out requests for one engine with one prompter.

    predictor: who is asked for a length where a request states none; None for nobody.
    """

    engine: Tokenizes
    prompter: Prompter
    predictor: Predicts | None = None
    _rates: dict[Language, float] = field(default_factory=dict)

    async def plan(self, brief: Brief) -> Laid:
        """What would be done for a brief.

        Raises:
            ContextTooLong: it does not fit the window; the message has the numbers.
            EngineUnavailable: no tokenizer yet.
        """
        asked = asked_of(brief)
        if asked.source == "none" and self.predictor is not None:
            asked = await self.predictor.predict(brief)
        known = asked.high_words is not None
        per_word = await self._per_word(request_language(brief)) if known else None
        prompted = self.prompter.render(worded(brief, asked), thinking=brief.thinking)
        prompt = await self.engine.tokenize(prompted.text)
        written = NOTHING_WRITTEN
        if prompted.prefill:
            written = await self.engine.tokenize(prompted.prefill)
        try:
            plan = make_plan(
                brief,
                prompted,
                window_tokens=self.engine.card.window_tokens,
                prompt_tokens=prompt.num_tokens + written.num_tokens,
                asked=asked,
                per_word=per_word,
            )
        except DoesNotFit as error:
            raise ContextTooLong(f"{error}", param="messages") from None
        return Laid(plan=plan, prompt=prompt, written=written)

    async def _per_word(self, language: Language) -> float | None:
        """Tokens a word, measured once a language; None for one without a sample."""
        sample = SAMPLES.get(language)
        if sample is not None and language not in self._rates:
            passage = await self.engine.tokenize(sample)
            self._rates[language] = tokens_per_word(
                tokens=passage.num_tokens, words=count_words(sample)
            )
        return self._rates.get(language)
