"""Tokenizer, packing, network and training, on the bundled checkpoint or tiny runs."""

import re
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from server.pocket import checkpoint
from server.pocket.maker.draft import Spec
from server.pocket.maker.lexicon import Language
from server.pocket.maker.render import render
from server.pocket.maker.sampler import compose

pytestmark = [pytest.mark.engine, pytest.mark.timeout(120)]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Small tensors: more threads than free cores make every step many times slower."""
    pytest.importorskip("torch").set_num_threads(1)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    tokenizers = pytest.importorskip("tokenizers")
    return tokenizers.Tokenizer.from_file(str(checkpoint() / "tokenizer.json"))


@pytest.mark.parametrize("language", list(Language))
def test_text_survives_the_tokenizer_and_both_loaders_agree(
    tokenizer: Any, language: Language
) -> None:
    transformers = pytest.importorskip("transformers")
    other = transformers.AutoTokenizer.from_pretrained(checkpoint())
    rendered = render(compose(Spec(seed=1, language=language, words=1_000)))
    for text in (rendered.prompt, rendered.completion, "Zoë’s naïve café 😀 龘\t\n\n  x"):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        assert tokenizer.decode(ids, skip_special_tokens=False) == text
        assert other(text).input_ids == ids


@pytest.mark.parametrize("language", list(Language))
def test_tokens_are_the_same_when_text_is_appended_at_the_edge_of_a_line(
    tokenizer: Any, language: Language
) -> None:
    text = render(compose(Spec(seed=1, language=language, words=1_000))).completion
    whole = tokenizer.encode(text, add_special_tokens=False).ids
    lines = re.split(r"(?<=[^\n])(?=\n)", text)
    parts = [tokenizer.encode(line, add_special_tokens=False).ids for line in lines]
    assert [token for part in parts for token in part] == whole


def test_rows_are_full_and_the_same_for_the_same_seed(tokenizer: Any) -> None:
    from server.pocket.maker.packing import Diet, Packer

    rows = list(islice(Packer(tokenizer, Diet(length=256), seed=5).rows(), 6))
    again = list(islice(Packer(tokenizer, Diet(length=256), seed=5).rows(), 6))
    assert rows == again
    for row in rows:
        assert len(row.tokens) == len(row.pieces) == len(row.weights) == 257
        assert sum(row.weights) > 30


@pytest.mark.parametrize("kind", range(8))
def test_what_is_learnt_of_a_draft_is_what_stands_in_it(tokenizer: Any, kind: int) -> None:
    from server.pocket.maker.mix import draw_spec
    from server.pocket.maker.packing import Diet, Packer
    from server.pocket.maker.sampler import DraftMaker

    def ids(text: str) -> list[int]:
        found: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
        return found

    packer = Packer(tokenizer, Diet(stub_share=0.3, question_share=0.3), seed=0)
    end = tokenizer.token_to_id("<|endoftext|>")
    for seed in range(1_000 + 15 * kind, 1_015 + 15 * kind):
        piece = packer.piece(seed)
        learnt = [at for at, weight in enumerate(piece.weights) if weight]
        if not learnt:
            continue
        learnt_ids = piece.tokens[learnt[0] :]
        # The piece is of the draft as it is drawn with one mixture or the other.
        drawn = [draw_spec(seed, mixture) for mixture in packer.mixtures]
        texts = [render(DraftMaker(spec).draft()) for spec in drawn]
        wholes = [[*ids(text.prompt), *ids(text.completion), end] for text in texts]
        assert any(_holds(whole, learnt_ids) for whole in wholes), seed


def _holds(whole: list[int], part: list[int]) -> bool:
    joined, wanted = (" ".join(map(str, each)) for each in (whole, part))
    return f" {wanted} " in f" {joined} "


def test_stubs_show_the_beginnings_of_more_drafts_in_the_same_rows(tokenizer: Any) -> None:
    from server.pocket.maker.packing import Diet, Packer

    def beginnings(share: float) -> int:
        packer = Packer(tokenizer, Diet(stub_share=share), seed=5)
        return sum(row.pieces[-1] for row in islice(packer.rows(), 48))

    assert beginnings(1.0) > beginnings(0.0) + 6


def test_the_makers_network_and_transformers_give_the_same_logits(tokenizer: Any) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from safetensors.torch import load_file

    from server.pocket.maker.network import EMBEDDING, Shape, forward

    text = render(compose(Spec(seed=1, words=1_000))).completion
    ids = torch.tensor([tokenizer.encode(text, add_special_tokens=False).ids[:900]])
    model = transformers.AutoModelForCausalLM.from_pretrained(checkpoint(), dtype=torch.float32)
    weights = load_file(checkpoint() / "model.safetensors")
    weights = {name: weight.float() for name, weight in weights.items()}
    with torch.no_grad():
        states = forward(weights, Shape(), ids, torch.ones_like(ids))
        ours, theirs = states @ weights[EMBEDDING].T, model(ids).logits
    assert (ours - theirs).abs().max() < 1e-3


def test_a_fresh_network_with_planted_heads_copies_what_it_never_saw(tokenizer: Any) -> None:
    torch = pytest.importorskip("torch")
    from server.pocket.maker.copying import plant_copying
    from server.pocket.maker.network import EMBEDDING, Shape, forward, fresh_weights
    from server.pocket.maker.packing import Diet, Packer

    torch.manual_seed(4)
    shape = Shape()
    weights = fresh_weights(shape)
    rows = islice(Packer(tokenizer, Diet(length=512, stub_share=0.5), seed=5).rows(), 8)
    text = torch.tensor([row.tokens[:512] for row in rows])
    noise = torch.randint(1, shape.vocabulary, text.shape)
    plant_copying(weights, shape, torch.cat((text, noise)), seed=3)

    once = torch.randint(1, shape.vocabulary, (4, 60))
    twice = torch.cat((once, once), dim=1)
    with torch.no_grad():
        states = forward(weights, shape, twice, torch.ones_like(twice))
        logits = (states @ weights[EMBEDDING].T)[:, :-1]
    losses = torch.nn.functional.cross_entropy(logits.mT, twice[:, 1:], reduction="none")
    assert losses[:, 62:].mean() < losses[:, :58].mean() - 0.5


def test_the_sliced_loss_and_its_gradients_are_those_of_torch() -> None:
    torch = pytest.importorskip("torch")
    from server.pocket.maker.loss import sliced_cross_entropy

    torch.manual_seed(1)
    states = torch.randn(300, 32).bfloat16()
    head, targets = torch.randn(50, 32) * 0.3, torch.randint(0, 50, (300,))
    plain_states, plain_head = states.float().requires_grad_(), head.clone().requires_grad_()
    plain = torch.nn.functional.cross_entropy(plain_states @ plain_head.T, targets)
    plain.backward()
    loss = sliced_cross_entropy(states, head, targets)
    assert loss.value == pytest.approx(float(plain.detach()), rel=1e-2)
    for ours, theirs in (
        (loss.states_gradient.float(), plain_states.grad),
        (loss.head_gradient, plain_head.grad),
    ):
        assert (ours - theirs).norm() / theirs.norm() < 0.02


def test_training_learns_and_is_the_same_for_the_same_seed(tokenizer: Any, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from server.pocket.maker.network import Shape, fresh_weights
    from server.pocket.maker.packing import Diet
    from server.pocket.maker.train import Course, Stage, Trainer, batches

    shape = Shape(vocabulary=4_096, hidden=64, intermediate=96, layers=2, heads=2, window=64)
    short, long = Diet(length=128, question_share=0.5), Diet(length=256)
    stages = (Stage(steps=4, batch=4, diet=short), Stage(steps=8, batch=2, diet=long))
    course = Course(stages=stages, muon_rate=0.02, adam_rate=0.01)
    assert (course.steps, course.tokens) == (12, 4 * 4 * 128 + 8 * 2 * 256)

    def losses() -> list[float]:
        torch.manual_seed(3)
        trainer = Trainer(fresh_weights(shape), shape, course)
        return [trainer.step(rows, 1.0) for rows in batches(tokenizer, course)]

    first = losses()
    assert first == losses()
    assert first[-1] < first[0] - 0.5


def test_transformers_plans_from_the_bundled_checkpoint() -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint())
    model = transformers.AutoModelForCausalLM.from_pretrained(checkpoint(), dtype=torch.float32)
    asked = [{"role": "user", "content": "Write a 300-word essay about tidal energy."}]
    ids = tokenizer.apply_chat_template(asked, return_tensors="pt", return_dict=True)
    output = model.generate(**ids, max_new_tokens=220, do_sample=False)
    text = tokenizer.decode(output[0, ids["input_ids"].shape[1] :])
    assert text.startswith(" <think>\n")
    assert "\nAsked length: about 300 words.\nSections: 2, " in text
    assert "\n2 of 2: Closing words on tidal energy - 60 words\n" in text
    assert "\n</think>\n<answer>\n# " in text
