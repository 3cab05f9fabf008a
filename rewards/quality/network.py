"""A sequence classifier with one logit and its tokenizer, by transformers; batched, padded.

It must not know drafts, rules for long texts, or threads. Written against transformers 5.19.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from rewards.quality.batching import batches
from rewards.quality.reading import CannotJudge, Passage, Reading, reading_of


class Scorer(Protocol):
    """What a judge needs of a network."""

    reading: Reading

    def count(self, text: str) -> int:
        """Tokens of a text by itself."""
        ...

    def token_ids(self, passage: Passage) -> list[int]:
        """What the model is given for a passage."""
        ...

    def score(self, inputs: Sequence[list[int]], batch_tokens: int) -> list[float]:
        """One raw logit an input."""
        ...


class Network:
    """The model on one device, with the form it reads. Not thread-safe."""

    def __init__(self, model: Any, tokenizer: Any, reading: Reading) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.reading = reading
        if reading.template is None and not tokenizer.chat_template:
            raise CannotJudge("the tokenizer has no chat template to form messages with")
        self._pad_id = _pad_id(model, tokenizer)

    def count(self, text: str) -> int:
        """Tokens of a text by itself."""
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def token_ids(self, passage: Passage) -> list[int]:
        """What the model is given: the passage in its form, special tokens included.

        A chat template or a joint may cost more than was set aside for it: what is over the window
        is cut from the end.
        """
        if self.reading.template is None:
            text = self.tokenizer.apply_chat_template(
                self.reading.messages(passage), tokenize=False
            )
            ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        else:
            ids = self.tokenizer(self.reading.text(passage))["input_ids"]
        return list(ids[: self.reading.window_tokens])

    def logits(self, inputs: Sequence[list[int]]) -> torch.Tensor:
        """One raw logit an input [inputs], in one padded batch; differentiable."""
        device = self.model.device
        longest = max(map(len, inputs))
        padded = [ids + [self._pad_id] * (longest - len(ids)) for ids in inputs]
        mask = [[1] * len(ids) + [0] * (longest - len(ids)) for ids in inputs]
        out = self.model(
            input_ids=torch.tensor(padded, device=device),
            attention_mask=torch.tensor(mask, device=device),
            use_cache=False,
        )
        return out.logits[:, 0].float()

    def score(self, inputs: Sequence[list[int]], batch_tokens: int) -> list[float]:
        """One raw logit an input, in their order, batch by batch without gradients."""
        scores = [0.0] * len(inputs)
        with torch.inference_mode():
            for batch in batches([len(ids) for ids in inputs], batch_tokens):
                logits = self.logits([inputs[at] for at in batch]).tolist()
                for at, logit in zip(batch, logits, strict=True):
                    scores[at] = logit
        return scores


def load(folder: Path, reading: Reading | None = None, device: str | None = None) -> Network:
    """The classifier in ``folder``, ready to judge: float32 on a CPU, the checkpoint's own type on
    a GPU. ``reading`` instead of the one that the checkpoint names.

    Raises:
        CannotJudge: no checkpoint, one that is no classifier, or one with other than one logit.
    """
    told = reading or reading_of(folder)
    where = device or best_device()
    try:
        config = AutoConfig.from_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError, KeyError) as error:
        raise CannotJudge(f"{folder} cannot be loaded: {type(error).__name__}") from error
    kinds = config.architectures or []
    if not any(kind.endswith(("ForSequenceClassification", "RewardModel")) for kind in kinds):
        raise CannotJudge(f"{folder} is no classifier but {', '.join(kinds) or 'unnamed'}")
    if config.num_labels != 1:
        raise CannotJudge(f"{folder} has {config.num_labels} logits; a reward has one")
    model = AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32 if where == "cpu" else "auto"
    )
    return Network(model.to(where).eval(), tokenizer, told)


def best_device() -> str:
    """The fastest device there is."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _pad_id(model: Any, tokenizer: Any) -> int:
    """The padding token; transformers' classifiers find the last token by it, so the model has to
    know it too."""
    found = model.config.get_text_config().pad_token_id
    if found is None:
        found = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
        model.config.get_text_config().pad_token_id = found
    return int(found)
