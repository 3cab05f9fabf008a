"""What a stand-in server can do wrong in one generation. No I/O."""

from collections.abc import Callable

import orjson

from loadtest.stand_in_text import Writing, framed

# What one generation may do wrong; those of the second line do so behind ``fault_after`` pieces.
BEFORE = ("html", "html_typed", "status", "silent", "wrong_type", "no_answer", "no_ids", "gzip")
BEHIND = ("reset", "close", "end", "no_finish", "stall", "half_json", "no_json", "array", "utf8",
          "long_line", "repeat", "lose", "swap", "other_model", "other_stream", "error", "abort",
          "two_choices", "second_choice", "number", "on_and_on", "more",
          "refusal", "logprobs")  # fmt: skip


def spoilt(writing: Writing, fault: str, frame: bytes) -> bytes:
    """A frame, or several, with something wrong in it."""
    event = orjson.loads(frame.removeprefix(b"data: "))
    choice = event.get("choices", [{}])[0]
    made: dict[str, Callable[[], bytes]] = {
        "no_json": lambda: frame.replace(b"{", b"", 1),
        "array": lambda: b"data: [1]\n\n" if writing.kind != "ollama" else b"[1]\n",
        "utf8": lambda: frame.replace(b'"model":"', b'"model":"\xff\xfe'),
        "long_line": lambda: b"data: " + b"x" * (17 * 2**20),
        "repeat": lambda: frame + frame,
        "other_model": lambda: writing.frame(event | {"model": "somebody-else"}),
        "other_stream": lambda: framed(event | {"id": "cmpl-another"}),
        "error": lambda: writing.frame({"error": {"message": "CUDA out of memory", "code": 500}}),
        "refusal": lambda: framed({"error": {"message": "no such LoRA", "code": 400}}),
        "logprobs": lambda: framed(event | {"choices": [choice | {"logprobs": {"tokens": []}}]}),
        "abort": lambda: framed(event | {"choices": [choice | {"finish_reason": "abort"}]}),
        "two_choices": lambda: framed(event | {"choices": [choice, choice]}),
        "second_choice": lambda: framed(event | {"choices": [choice | {"index": 1}]}),
        "number": lambda: framed(event | {"choices": [choice | {"text": 7}]}),
        "on_and_on": lambda: framed(event | {"choices": [choice | {"finish_reason": "stop"}]}),
        "more": lambda: framed(
            event | {"choices": [choice | {"token_ids": [32] * 10_000}], "usage": None}
        ),
    }
    return made[fault]()
