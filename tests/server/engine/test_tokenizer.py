"""A checkpoint's fast tokenizer, made small for the test."""

from pathlib import Path

import pytest
from tokenizers import AddedToken, decoders, models, pre_tokenizers
from tokenizers import Tokenizer as FastTokenizer

from server.engine.base import Passage
from server.engine.tokenizer import Tokenizer
from server.errors import CannotServe

ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())


@pytest.fixture
def tokenizer(tmp_path: Path) -> Tokenizer:
    """Byte-level BPE with one merge, an added word and a special token."""
    vocabulary = {character: at for at, character in enumerate([*ALPHABET, "on"])}
    fast = FastTokenizer(models.BPE(vocab=vocabulary, merges=[("o", "n")]))
    fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    fast.decoder = decoders.ByteLevel()
    fast.add_special_tokens([AddedToken("<|endoftext|>", special=True)])
    fast.save(str(tmp_path / "tokenizer.json"))
    return Tokenizer(tmp_path)


def test_a_directory_without_a_fast_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotServe, match="has no tokenizer.json"):
        Tokenizer(tmp_path)


def test_the_vocabulary_counts_added_tokens(tokenizer: Tokenizer) -> None:
    assert tokenizer.vocabulary_tokens == 256 + 1 + 1


async def test_a_passage_is_the_text_with_its_ids_and_no_special_tokens(
    tokenizer: Tokenizer,
) -> None:
    passage = await tokenizer.passage("on")
    assert passage == Passage(text="on", token_ids=(256,), num_tokens=1)
    assert await tokenizer.passage("") == Passage(text="", token_ids=(), num_tokens=0)


async def test_a_long_text_has_the_same_ids_as_its_parts(tokenizer: Tokenizer) -> None:
    short = await tokenizer.passage("on " * 600)
    long = await tokenizer.passage("on " * 1_200)
    assert short.token_ids is not None
    assert long.token_ids == short.token_ids * 2


async def test_characters_that_span_tokens_come_out_whole(tokenizer: Tokenizer) -> None:
    text = "on 春天 café"
    ids = (await tokenizer.passage(text)).token_ids
    assert ids is not None
    decoder = tokenizer.decoder(())
    pieces = [decoder.step(token_id) for token_id in ids]
    assert "".join(pieces) == text
    assert "\ufffd" not in "".join(pieces)
    assert pieces.count("") == 2 + 2 + 1


async def test_decoding_goes_on_from_what_was_before(tokenizer: Tokenizer) -> None:
    before = (await tokenizer.passage("a long start, 春")).token_ids
    after = (await tokenizer.passage("天.")).token_ids
    assert before is not None
    assert after is not None
    decoder = tokenizer.decoder(before)
    assert "".join(decoder.step(token_id) for token_id in after) == "天."


async def test_special_tokens_are_not_part_of_the_text(tokenizer: Tokenizer) -> None:
    decoder = tokenizer.decoder(())
    assert decoder.step(256) + decoder.step(257) + decoder.step(256) == "onon"
    assert tokenizer.text_of(257) == "<|endoftext|>"
    assert tokenizer.text_of(256) == "on"


async def test_half_a_character_at_the_end_is_told_as_such(tokenizer: Tokenizer) -> None:
    ids = (await tokenizer.passage("a春")).token_ids
    assert ids is not None
    decoder = tokenizer.decoder(())
    assert [decoder.step(token_id) for token_id in ids[:-1]] == ["a", "", ""]
    assert decoder.finish() == "\ufffd"
    whole = tokenizer.decoder(())
    assert "".join(whole.step(token_id) for token_id in ids) + whole.finish() == "a春"


async def test_decoding_goes_on_inside_a_character(tokenizer: Tokenizer) -> None:
    ids = (await tokenizer.passage("ab春天")).token_ids
    assert ids is not None
    for at in range(len(ids) + 1):
        known = tokenizer.decoder(ids[:at])
        told = "".join(known.step(token_id) for token_id in ids[at:])
        assert "ab春天".endswith(told)
        # A character begun before comes out with its last token.
        assert len(told) == len("ab春天") - max(0, min(at, 2) + max(0, at - 2) // 3)


async def test_ids_that_break_off_inside_a_character_are_cut_before_it(
    tokenizer: Tokenizer,
) -> None:
    ids = (await tokenizer.passage("a long start, 春天")).token_ids
    assert ids is not None
    assert tokenizer.text_before_break(ids) is None
    assert tokenizer.text_before_break(ids[:-1]) == "a long start, 春"
    assert tokenizer.text_before_break(ids[:-4]) == "a long start, "
