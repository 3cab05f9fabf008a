"""The model card's text."""

import hashlib

from server.pocket.maker.card import Figures, Group, card, share
from server.pocket.maker.lexicon import Language, lexicon
from server.pocket.maker.measure import Verdict


def verdict(ratio: float, *, meant: str = "healthy", problems: tuple[str, ...] = ()) -> Verdict:
    return Verdict(
        meant=meant,
        words=round(ratio * 500),
        ratio=ratio,
        planned=4,
        problems=problems,
        looping="loop" in problems,
        tokens=700,
    )


def figures() -> Figures:
    verdicts = (
        *(verdict(1.0) for _ in range(6)),
        verdict(0.9, problems=("titles",)),
        verdict(0.3, meant="short", problems=("length",)),
        verdict(1.6, meant="long", problems=("length",)),
        verdict(2.9, meant="loop", problems=("loop", "length")),
    )
    return Figures(
        parameters=4_002_048,
        weights_bytes=8_009_424,
        training_minutes=50.4,
        training_tokens=12_000_000,
        training_note="Made in one go.",
        single_stream_tokens_s=650.0,
        batched_tokens_s=2_300.0,
        agreement_tokens=2_000,
        agreement_same=1_998,
        agreement_gap=0.031,
        carried_on=(11, 12),
        direct=(16, 24),
        groups=(
            Group(language=Language.ENGLISH, asked_words=500, verdicts=verdicts),
            Group(language=Language.CHINESE, asked_words=2_000, verdicts=verdicts),
        ),
    )


def test_the_card_holds_both_templates_on_lines_of_their_own_with_their_hashes() -> None:
    lines = card(figures()).splitlines()
    for language in Language:
        template = lexicon(language).surface["template"]
        assert template in lines
        digest = hashlib.sha256(template.encode()).hexdigest()
        row = f"| {language} | {len(template)} | {len(template.encode())} | `{digest}` |"
        assert row in lines


def test_the_card_states_every_figure() -> None:
    text = card(figures())
    assert "| 500 words | 10 | 7 | 86 % | 0.90 / 1.00 / 1.60 | 10 % | 10 % | 10 % | 0 % |" in text
    assert "| 2,000 字 | 10 | 7 |" in text
    assert "4,002,048" in text
    assert "\nMade in one go.\n" in text
    assert "1998 of 2000" in text
    assert "planned end reached | 11 of 12 |" in text
    assert "sound | 16 of 24 |" in text
    assert "A stand-in, not a writer" in text


def test_a_share_of_nothing_is_a_dash() -> None:
    assert share([], lambda _: True) == "-"
