"""The marks that a model sets around its thinking and its answer, and the faults it makes."""

from server.stops import partial_suffix

THINK, THINK_END = "<think>", "</think>"
ANSWER, ANSWER_END = "<answer>", "</answer>"
ROLE_MARKS = ("<|user|>", "<|用户|>", "<|assistant|>", "<|助手|>", "<|endoftext|>")
MARKS = (THINK, THINK_END, ANSWER, ANSWER_END, *ROLE_MARKS)
LONGEST_MARK = max(map(len, MARKS))

# A tag between a pair of these is being talked about, not used (llama.cpp #27661 ends the thinking
# at a quoted one).
QUOTES = {"`": "`", '"': '"', "'": "'", "“": "”", "‘": "’", "「": "」", "『": "』", "《": "》"}

NO_THINK = "no_think"
NO_THINK_END = "no_think_end"
NO_ANSWER_TAG = "no_answer_tag"
STRAY_TAG = "stray_tag"
QUOTED_TAG = "quoted_tag"
CUT_TAG = "cut_tag"
TEXT_AFTER_END = "text_after_end"
ROLE_MARK = "role_mark"
FAULTS = (
    NO_THINK,
    NO_THINK_END,
    NO_ANSWER_TAG,
    STRAY_TAG,
    QUOTED_TAG,
    CUT_TAG,
    TEXT_AFTER_END,
    ROLE_MARK,
)


def may_become_mark(text: str, at: int) -> bool:
    """Whether everything from ``at`` on is the start of a mark, and no more than that."""
    rest = len(text) - at
    return rest < LONGEST_MARK and partial_suffix(text[at:], MARKS) == rest
