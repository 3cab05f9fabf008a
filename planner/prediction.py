"""The question by which a model guesses a length, and the answer to it. It must not ask it.

The rules are those of LongWriter-Zero's length reward (arXiv 2506.18841), where another model gave
each query a range of words; the wording is ours.
"""

import re

from planner.length import NOTHING, Asked
from planner.words import Language

# What the answer is made to begin with, so that little but two numbers can follow.
OPENING = '{"range": ['
CLOSING = "]"
# Two numbers of five digits, a comma and spaces, in any tokenizer.
MAX_TOKENS = 24
STEP_WORDS = 100
MOST_WORDS = 12_000
WIDEST_WORDS = 3_000
# The request stands at the edges of a long prompt.
_EDGE_CHARS = 3_000
_RANGE = re.compile(r"\s{0,4}([0-9]{1,6})\s{0,4}[,，]\s{0,4}([0-9]{1,6})")

_ENGLISH = (
    "How many words should a good answer to the request below have? Judge what is really asked "
    "for: advice on writing a thesis is 400 to 800 words, a school essay 800 to 1000, a full "
    "academic paper 6000 to 10000. Both numbers are multiples of 100, at most 12000, and not more "
    'than 3000 apart. For a request that cannot be met, say 0, 0. Answer with {"range": [low, '
    "high]} and nothing else.\n\nRequest:\n"
)
_CHINESE = (
    "对下面的写作请求，一篇好的答复应当有多少字？请判断真正要求的内容："
    "如何写论文的建议是400到800字，中学作文是800到1000字，完整的学术论文是6000到10000字。"
    "两个数都是100的倍数，不超过12000，相差不超过3000。无法完成的请求答0, 0。"
    '只回答 {"range": [下限, 上限]}，不写其他内容。\n\n请求：\n'
)


def question(request: str, language: Language) -> str:
    """What the model is asked about a request; the middle of a long one is left out."""
    if len(request) > 2 * _EDGE_CHARS:
        request = f"{request[:_EDGE_CHARS]}\n…\n{request[-_EDGE_CHARS:]}"
    return (_CHINESE if language == "zh" else _ENGLISH) + request


def read_range(written: str) -> Asked:
    """The range that follows ``OPENING``, held to the rules; ``NOTHING`` where there is none.

    Worked numbers: "780, 1020" = [800, 1,000]; "2000, 9000" is too wide and is narrowed around
    its middle, 5,500, to [4,000, 7,000]; "0, 0" is none.
    """
    match = _RANGE.match(written)
    if match is None:
        return NOTHING
    low, high = int(match[1]), min(int(match[2]), MOST_WORDS)
    if high < STEP_WORDS or low > high:
        return NOTHING
    if high - low > WIDEST_WORDS:
        middle = (low + high) // 2
        low, high = middle - WIDEST_WORDS // 2, middle + WIDEST_WORDS // 2
    return Asked(
        low_words=max(STEP_WORDS, _rounded(low)),
        high_words=max(STEP_WORDS, _rounded(high)),
        source="predicted",
    )


def _rounded(words: int) -> int:
    return round(words / STEP_WORDS) * STEP_WORDS
