"""Tells an opening that closes a text, English and Chinese. It must not decide what follows."""

# The paragraph's first words, and whether a mark must follow them: "In closing the door, she" and
# "To conclude the treaty" close nothing.
_PHRASES: tuple[tuple[str, bool], ...] = (
    *((phrase, True) for phrase in (
        "in conclusion", "to conclude", "in closing", "to sum up", "summing up", "to summarize",
        "to summarise", "in summary", "in sum", "to wrap up", "to close", "all in all",
        "as a conclusion", "by way of conclusion", "final thoughts", "conclusion",
        "to bring this to a close",
    )),
    *((phrase, False) for phrase in (
        "总之", "总而言之", "综上所述", "综上", "总的来说", "总的来看", "总体而言", "一言以蔽之",
        "最后总结", "归结起来", "结语：", "结论：", "写在最后",
    )),
)  # fmt: skip
_MARKS = ",:;，：；—–-"
# These may follow "in conclusion" without a mark: "In conclusion we see".
_SUBJECTS = ("we ", "i ", "it ", "this ", "these ", "the ", "there ")
_MARKUP = '*_>"“「 \t\u3000'
# What no opening needs: a longer one is decided.
MAX_OPENING_CHARS = 48


def is_closing_opening(opening: str, *, complete: bool) -> bool | None:
    """Whether a paragraph that begins with ``opening`` closes a text; None while it is too short.

    complete: nothing follows in this paragraph, so the answer is never None.
    "In conclusion, " does, and so does "总之"; "In concl" may yet; "The conclusion" does not.
    """
    text = opening.lstrip(_MARKUP).casefold()
    found = [_fits(text, phrase, marked=marked) for phrase, marked in _PHRASES]
    if True in found:
        return True
    open_still = None in found or not text
    return None if open_still and not complete and len(opening) < MAX_OPENING_CHARS else False


def _fits(text: str, phrase: str, *, marked: bool) -> bool | None:
    if not text.startswith(phrase):
        return None if phrase.startswith(text) else False
    rest = text[len(phrase) :]
    bare = rest.strip(" *_")
    if not marked or bare[:1] in _MARKS and bare:
        return True
    if not bare:
        return None
    return _goes_on(rest) if phrase == "in conclusion" else False


def _goes_on(rest: str) -> bool | None:
    """Whether a subject follows: " we see" does, " th" may, " hall" does not."""
    if not rest.startswith(" "):
        return False
    word = rest.lstrip()
    if any(word.startswith(subject) for subject in _SUBJECTS):
        return True
    return None if any(subject.startswith(word) for subject in _SUBJECTS) else False
