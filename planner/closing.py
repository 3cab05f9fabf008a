"""Titles of sections that close a text, English and Chinese. It must not judge paragraphs."""

import re

_KIND = r"(?:words?|remarks?|thoughts?|reflections?|notes?|considerations?|summary|comments?)"
_ENGLISH = re.compile(
    rf"(?:the )?(?:(?:general |overall |final )?conclusions?(?: ?[:—–-].*| (?:and|&|on)\b.*)?"
    rf"|(?:concluding|closing|final|parting) {_KIND}\b.*"
    r"|(?:in|by way of) (?:conclusion|closing|summary)(?: ?[:—–-].*)?"
    r"|(?:summary|summing up|wrapping up|wrap-up)(?: ?[:—–-].*| and (?:conclusions?|outlook)\b.*)?"
    r"|to conclude|(?:the )?end|epilogue\b.*|afterword\b.*|coda\b.*)"
)
_HAN = re.compile(
    r"(?:结语|结束语|结论|总结|尾声|后记|余论|终章|写在最后|最后的话)(?:$|[与和及：:，—\s-].*)"
    r"|.*(?:结语|结束语|尾声)"
)
# A title that names the closing alone on its line, without any mark of a heading.
BARE = (
    *("conclusion", "conclusions", "in conclusion", "concluding remarks", "closing words"),
    *("closing remarks", "closing thoughts", "final thoughts", "final words", "epilogue"),
    *("afterword", "summary", "the end", "结语", "结束语", "结论", "总结", "尾声", "后记"),
)


def is_closing_title(title: str) -> bool:
    """Whether a title, its label and markup removed, names a closing section.

    "Closing words on bread", "Conclusion: what remains", "茶道结语" are; "Closing the border" and
    "The conclusion of peace" are not.
    """
    plain = title.strip(" .。:：*_#").casefold()
    return bool(_ENGLISH.fullmatch(plain) or _HAN.fullmatch(plain))
