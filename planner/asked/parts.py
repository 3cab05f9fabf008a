"""What an amount is a share of: each of several pieces, a part, a mere title. It sums nothing."""

import re

from planner.asked.figures import NUMBER, read_number
from planner.asked.pattern import pattern
from planner.asked.plainness import DELIVERABLE, LENGTH_KEY, MAKE, is_total
from planner.asked.quantities import Quantity
from planner.asked.surroundings import Surroundings

_ITEM_NOUNS = (
    r"sections?|(?:sub)?headings?|bullets?|chapters?|parts?|paragraphs?|essays?|articles?|posts?|"
    r"stories|story|poems?|"
    r"reviews?|"
    r"comments?|descriptions?|letters?|emails?|scenes?|acts?|episodes?|entries|entry|items?|"
    r"points?|"
    r"questions?|answers?|slogans?|pieces?|summaries|summary|profiles?|novels?|books?|topics?|"
    r"slides?|tweets?|"
    r"testimonials?|bios?|blogs?|ads?|captions?|steps?|themes?|modules?|options?|versions?|drafts?|"
    r"responses?|reports?|pages?|sonnets?|speeches|speech|case\sstud(?:y|ies)|units?|lessons?|"
    r"tips?|cities|days?"
)

_HAN_ITEMS = (
    "部分|小节|章节|段落|板块|模块|章|节|段|篇|条|集|幕|首|封|则|份|个|点|位|回|场|卷|句|组|题|项|"
    "本|部|期|天|款|步"
)

_EACH_BEFORE = pattern(
    rf"(?<!words\s)(?<!pages\s)\b(?:each|every|per)\b(?:\sof\s(?:the|these|which|"
    rf"them)(?:\s\w{{1,12}})?)?(?:\s[a-z'’-]{{1,16}}){{0,3}}?(?:\s(?P<noun>{_ITEM_NOUNS})\b)?"
    r"[^.;:]{0,60}\Z"
)

_EACH_AFTER = pattern(
    rf"\)?,?\s?(?:long\s|in\slength\s)?(?:each\b|apiece|(?:per|for\s(?:each|every)|in\s(?:each|"
    rf"every)|(?<!,\s)an?)\s(?:\w{{1,12}}\s)?(?P<noun>{_ITEM_NOUNS})\b|per\s(?P<other>\w{{3,14}}))"
)

_EACH_HAN = re.compile(
    rf"(?:每|各(?=[写约为占自不至个\d]|大约|{_HAN_ITEMS}))(?:一)?(?:(?:个|大|"
    rf"小)(?P<noun>{_HAN_ITEMS})?|"
    rf"(?P<other>{_HAN_ITEMS}))?[^。；;\n]{{0,24}}\Z|"
    rf"[，,、；;]一(?P<one>[章集幕段节回])[大约概]{{0,2}}\Z"
)

_EACH_HAN_AFTER = re.compile(
    rf"(?:左右|以上|以内)?[/每一](?P<noun>{_HAN_ITEMS})(?![^，。]{{0,3}}的)"
)

_COUNT_BEFORE = pattern(
    rf"(?P<count>{NUMBER})\s(?:(?:separate|different|short|unique|individual|distinct|original|"
    rf"new|brief)\s)?\Z"
)

_COUNT_OF = pattern(
    rf"(?P<count>{NUMBER})[\s-](?:[a-z]{{1,14}}\s)?(?:{_ITEM_NOUNS})(?<=s)\sof\s(?:[a-z]{{1,14}}\s){{0,3}}\Z"
)

_COUNT_BEFORE_HAN = re.compile(rf"(?P<count>{NUMBER})\s?(?:{_HAN_ITEMS})(?:约|大约|左右|的)?\Z")

_VAGUE_COUNT = pattern(
    r"\b(?:several|some|multiple|various|many|a\sfew|few)\s\Z|[几多]篇\Z|若干[篇条]\Z"
)

_LIST_OF = pattern(rf"(?P<count>{NUMBER})(?:\s?[-–~～至到]\s?(?P<to>{NUMBER}))?\s?(?P<noun>条|则)")

_SHORT_WORDS = 200

_LABELS = (
    r"titles?|headlines?|subject\slines?|slogans?|taglines?|captions?|key\s?words?|hashtags?|meta\s"
    r"descriptions?|sub-?slogans?|sub-?titles?|bio\b|标题|题目|口号|标语|副标题|关键词|主标语|"
    r"署名|文件名|书名|昵称"
)

_LABEL = pattern(_LABELS)

_NAMES = (
    r"introduction|introductory|intro|conclusions?|concluding|abstract|executive\ssummary|summary|"
    r"background|discussion|methods?|methodology|results?|opening|closing|ending|beginning|"
    r"preface|foreword|"
    r"epilogue|prologue|literature\sreview|analysis|main\sbody|body|main\s(?:text|part|content|"
    r"section|analysis|"
    r"analysis\ssection)|section\s(?!of\b)[\w]{1,5}|chapter\s(?!of\b)[\w]{1,8}|part\s(?!of\b)[\w]{1,5}|"
    r"paragraph\s(?!of\b)[\w]{1,5}|"
    r"开头|引言|前言|导语|引子|序言|导言|绪论|背景|正文|主体|中间|结尾|结语|结论|"
    r"(?<![作终年度习人动目训会])总结(?![成为到至])|摘要|"
    r"开场白?|开篇|尾声|"
    r"第[一二三四五六七八九十\d]{1,3}(?:部分|章|节|段|幕)"
)

_PART_BEFORE = pattern(
    rf"(?P<name>{_LABELS}|{_NAMES})(?![^:：]{{0,20}}(?:字数|篇幅))[^,，。；;\n]{{0,28}}\Z"
)

_LABEL_BEFORE = pattern(rf"(?P<name>{_LABELS})[^。;；]{{0,24}}\Z")

_LABEL_WORDS = 60

_PART_AFTER = pattern(
    rf"\s?\)?\s?(?:(?:for|in|on)\s(?:the|an?)\s)?(?:左右|以内|以上)?的?(?P<name>{_LABELS}|{_NAMES})"
)

_LIST_LINE = re.compile(
    r"\s{0,4}(?:[-*•·]|\(?\d{1,2}[.)、）．]|[（(]?[一二三四五六七八九十]{1,3}[、）).．]|"
    r"#{1,4})\s{0,3}(?P<name>[^:：(（\n]{2,60}?)\s?"
    r"(?:[(（:：—–-])\s?(?:约|大约|about|around|approx\.?|~|at\sleast|至少|不少于)?\s?\Z",
    re.IGNORECASE,
)

_LIST_INLINE = pattern(
    r"(?:(?<!\d)\d{1,2}[.)、）．]|[①-⑳])\s{0,2}(?P<name>[^:：(（\n\d]{2,40}?)\s?[(（]"
    r"(?:约|大约|about\s|around\s|~|at\sleast\s|至少|不少于)?\Z"
)

# "at most 2 fight scenes" counts some of them only.
_LIMIT_BEFORE = pattern(
    r"(?:no\smore\sthan|at\smost|at\sleast|up\sto|不超过|最多|至少|不少于)\s?\Z"
)

_COUNT_CHARS = 4_000

_MANY = 500


def each_of(around: Surroundings) -> str | None:
    """What an amount is for each of; "" where that is not named; None where it is not for each."""
    if is_total(around):
        return None
    for match in (
        _EACH_AFTER.match(around.after),
        _EACH_HAN_AFTER.match(around.after),
        _EACH_BEFORE.search(around.before),
        _EACH_HAN.search(around.before),
    ):
        if match is not None:
            groups = match.groupdict()
            unnamed = "" if match.re.flags & re.I else "个"
            return groups["noun"] or groups.get("other") or groups.get("one") or unnamed
    return None


def how_many(quantity: Quantity, around: Surroundings) -> tuple[float, float] | None:
    """How many "three 500-word essays" are; (0, 0) for "several"; None where nothing is counted."""
    listed = _COUNT_OF.search(around.before)
    if listed is None and not quantity.attributive:
        return None
    if _VAGUE_COUNT.search(around.before):
        return 0, 0
    match = listed or _COUNT_BEFORE.search(around.before) or _COUNT_BEFORE_HAN.search(around.before)
    count = read_number(match["count"]) if match else 0
    return (count, count) if 1 < count <= _MANY else None


def how_many_listed(text: str, quantity: Quantity, *, total: bool) -> tuple[float, float] | None:
    """How many "20条评价" the request is for, where an amount is small enough for one of them."""
    if total or quantity.high_words > _SHORT_WORDS:
        return None
    counts = [
        count
        for match in _LIST_OF.finditer(text[max(0, quantity.start - 160) : quantity.start])
        for count in _read_count("", match)
    ]
    return counts[-1] if counts else None


def part_of(quantity: Quantity, around: Surroundings) -> str | None:
    """The name of the part whose length an amount is; None where it names none."""
    line = _LIST_LINE.fullmatch(around.line) or _LIST_INLINE.search(around.line)
    if line is not None and not LENGTH_KEY.search(line["name"]):
        return line["name"]
    if (
        quantity.attributive
        and DELIVERABLE.match(around.after)
        and not _PART_AFTER.match(around.after)
    ):
        return None
    small = quantity.high_words <= _LABEL_WORDS
    match = (
        (_LABEL_BEFORE.search(around.before) if small else None)
        or _PART_BEFORE.search(around.clause if around.clause.strip() else around.before[-40:])
        or _PART_AFTER.match(around.after)
    )
    return match["name"] if match else None


def is_label(name: str) -> bool:
    """Whether a part is a title or the like, which is no share of the text."""
    return _LABEL.fullmatch(name) is not None


# From a verb to its object with nothing between that has parts.
_STRAIGHT = r"(?:(?!\bwith\b|\bwhose\b|\binclud|\bthat\b)(?:[^.。;；\n,，:：]|[.,](?=\d))){0,60}?"


def is_the_piece(text: str, quantity: Quantity, name: str) -> bool:
    """Whether the part is what is to be written: "Write an introduction of 500 words"."""
    asked = text[: min(160, quantity.start)] + text[quantity.start : quantity.end + 24]
    near = text[max(0, quantity.start - 60) : quantity.end + 24]
    return any(
        re.search(
            rf"(?:(?:{MAKE.pattern})(?:(?:\sme)?\swith)?|\A){_STRAIGHT}{re.escape(name)}",
            each,
            re.IGNORECASE,
        )
        is not None
        for each in (asked, near)
    )


def count_of(text: str, noun: str, place: int) -> tuple[float, float] | None:
    """How many of ``noun`` the request speaks of, looked for near ``place``; None if unsaid.

    Worked numbers: ("three sections of 500 words each", "sections") = (3, 3);
    ("设计5-7篇", "篇") = (5, 7).
    """
    first = max(0, place - _COUNT_CHARS // 2)
    region, middle = text[first : place + _COUNT_CHARS // 2], place - first
    for counting in _count_patterns(noun):
        counts = [
            (abs(match.start() - middle), low, high)
            for match in counting.finditer(region)
            for low, high in _read_count(region, match)
        ]
        if counts:
            return min(counts)[1:]
    return None


def _read_count(region: str, match: re.Match[str]) -> list[tuple[float, float]]:
    low = read_number(match["count"])
    high = read_number(match["to"]) if match["to"] else low
    if not 1 < high <= _MANY or low > high:
        return []
    if _LIMIT_BEFORE.search(region[max(0, match.start() - 24) : match.start()]):
        return []
    return [(low, high)]


def _count_patterns(noun: str) -> list[re.Pattern[str]]:
    between = rf"(?P<count>{NUMBER})(?:\s?(?:-|–|~|～|至|到|to|or)\s?(?P<to>{NUMBER}))?"
    if noun and noun[0] >= "一":
        # 每个 may stand for pieces (篇), or for anything that is counted.
        measures = [f"(?:个|大|小|条)?{noun}"] if noun != "个" else ["篇", f"(?:{_HAN_ITEMS})"]
        return [re.compile(rf"(?<!第){between}{measure}") for measure in measures]
    stem = re.sub(r"(?:ies|y|s)\Z", "", noun.lower())
    if stem:
        return [
            pattern(
                rf"\b{between}[\s-](?!words?\b|"
                rf"pages?\b)(?:[a-z'’-]{{1,18}}[ ]){{0,4}}?{re.escape(stem)}(?:ies|y|s|es)?\b"
            )
        ]
    return [
        pattern(
            rf"\b{between}[\s-](?!words?\b|"
            rf"pages?\b)(?:[a-z'’-]{{1,18}}[ ]){{0,3}}?(?:{_ITEM_NOUNS})\b"
        ),
        re.compile(rf"(?<!第){between}(?:个|大|小)?(?:{_HAN_ITEMS})"),
    ]
