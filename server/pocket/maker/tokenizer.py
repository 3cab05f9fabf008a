"""Trains the tokenizer, a byte-level BPE, and writes its files; trains no model.

No merge crosses the edge of a line, so that text appended there gives the same tokens as text
written in one go. Numbers of two digits and runs of noughts are tokens of their own: so the next
number is one token after another, and 1,000 differs from 10,000 by more than the count of noughts.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)

from server.pocket.maker.lexicon import Language, lexicon
from server.pocket.maker.mix import draw_spec
from server.pocket.maker.render import render
from server.pocket.maker.sampler import DraftMaker

END = "<|endoftext|>"
MAX_POSITIONS = 131_072
# Added to the vocabulary, for no merge may join digits: see `_PIECES`.
_NUMBERS = (*(str(number) for number in range(10, 100)), "00", "000")
# Qwen2's own pieces: transformers gives them to every tokenizer of this architecture.
_PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Finer cuts while merges are learnt.
_FINE = r"[\r\n]+|的| ?[\p{L}&&[^\p{Han}]]+|[\p{Han}&&[^的]]+|\p{N}| ?[^\s\p{L}\p{N}]+|[^\S\r\n]+"
_CHAT_TEMPLATE = (
    "{%- set asked = namespace(text=messages[-1]['content'], han=false) -%}"
    "{%- for letter in asked.text -%}"
    "{%- if '\\u4e00' <= letter and letter <= '\\u9fff' -%}"
    "{%- set asked.han = true -%}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if asked.han -%}{{- ZH_BEFORE + asked.text + ZH_AFTER -}}"
    "{%- else -%}{{- EN_BEFORE + asked.text + EN_AFTER -}}{%- endif -%}"
)


def sample_texts(count: int, seed: int) -> Iterator[str]:
    """The texts to learn merges from: prompts, plans and the first sections of `count` drafts."""
    for number in range(count):
        rendered = render(DraftMaker(draw_spec(seed + number)).draft(last=3))
        yield rendered.prompt + rendered.opening + "".join(rendered.sections)[:6_000]


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """A BPE with `vocabulary` entries: 256 bytes, the end token, merges, and the numbers."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    pieces = pre_tokenizers.Split(Regex(_PIECES), behavior="isolated")
    fine = pre_tokenizers.Split(Regex(_FINE), behavior="isolated")
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pieces, fine, to_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(_NUMBERS),
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=True,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(number, normalized=False) for number in _NUMBERS])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pieces, to_bytes])
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Writes tokenizer.json and tokenizer_config.json (with the chat template) to `folder`."""
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "Qwen2Tokenizer",
        "model_max_length": MAX_POSITIONS,
        "eos_token": END,
        "pad_token": END,
        "clean_up_tokenization_spaces": False,
        "chat_template": chat_template(),
    }
    text = json.dumps(config, ensure_ascii=False, indent=1)
    (folder / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")


def end_id(tokenizer: Tokenizer) -> int:
    """The id of the end token; ValueError where the tokenizer has none."""
    found = tokenizer.token_to_id(END)
    if found is None:
        raise ValueError(f"the tokenizer has no {END}")
    return found


def chat_template() -> str:
    """A Jinja template that renders the last message as the card's templates do."""
    filled = _CHAT_TEMPLATE
    for language in Language:
        before, after = lexicon(language).surface["template"].split("{question}")
        filled = filled.replace(f"{language.upper()}_BEFORE", f"'{before}'")
        filled = filled.replace(f"{language.upper()}_AFTER", f"'{after}'")
    return filled
