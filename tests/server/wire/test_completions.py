"""The raw completion request."""

from typing import Any

import pytest
from pydantic import ValidationError

from server.errors import BadRequest
from server.wire.completions import DEFAULT_MAX_TOKENS, CompletionRequest


def parsed(**fields: Any) -> CompletionRequest:
    return CompletionRequest.model_validate(fields)


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [
        ("Once", ("Once",)),
        ([1, 2], ((1, 2),)),
        (["a", "b"], ("a", "b")),
        ([[1], [2, 3]], ((1,), (2, 3))),
    ],
)
def test_a_prompt_is_a_text_or_token_ids_or_a_list_of_either(
    prompt: Any, prompts: tuple[Any, ...]
) -> None:
    assert parsed(prompt=prompt).prompts() == prompts


@pytest.mark.parametrize("prompt", ["", [], [""], ["a", ""], [[]], [[1], []]])
def test_an_empty_prompt_cannot_be_carried_on(prompt: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        parsed(prompt=prompt).prompts()
    assert caught.value.param == "prompt"


@pytest.mark.parametrize("prompt", [None, 1, [1, "a"], [-1], [True], [["a"]], [1.5]])
def test_a_prompt_of_another_type_is_refused(prompt: Any) -> None:
    with pytest.raises(ValidationError):
        parsed(prompt=prompt)


def test_half_a_surrogate_pair_in_a_prompt_is_refused() -> None:
    with pytest.raises((BadRequest, ValidationError)):
        parsed(prompt=["a", "\ud83d"]).prompts()


def test_without_a_length_openais_default_holds() -> None:
    assert parsed(prompt="a").length_tokens == DEFAULT_MAX_TOKENS == 16
    assert parsed(prompt="a", max_tokens=3).length_tokens == 3


@pytest.mark.parametrize("logprobs", [-1, 21, True])
def test_log_probabilities_are_asked_for_by_number(logprobs: Any) -> None:
    with pytest.raises(ValidationError):
        parsed(prompt="a", logprobs=logprobs)
