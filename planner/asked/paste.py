"""Where a prompt holds material that was pasted beside the request. It must not read amounts.

The patterns are bounded and look at the head of a prompt only, so finding it is linear in the text.
"""

import re

HEAD_CHARS = 3_000
_LONG_CHARS = 800
_LAST_WORDS_CHARS = 1_000
CLAUSE_END = re.compile(r"[，,、:：（(）)—。！？!?；;\n]|\s[-–]\s|\.(?=\s)")

_MARKER = re.compile(
    r"(?:\b(?:reference(?:\s(?:text|material))?s?|source(?:\s(?:text|material))?|text|article|"
    r"passage|"
    r"document|transcript|excerpt|original|manuscript|draft|thesis|essay|story|email|data|"
    r"materials?|"
    r"content|paper|report|report\sdata|below|as\sfollows)[^\n:：。.]{0,60}?[:：]|"
    r"(?:参考|范文|原文|材料|资料|素材|全文|文章|论文|内容|报告|如下|附件|案例|数据|背景)"
    r"[^\n:：。，]{0,24}?[:：]|```|<(?:document|article|text|context|source)>|\"{3})",
    re.IGNORECASE,
)
# What such a marker introduces when it is no source.
_OWN_WORDS = re.compile(
    r"requirement|instruction|criteria|cover|includ|outline|structure|aspect|section|point|"
    r"question|"
    r"task|topic|word|length|limit|format|style|focus|要求|包[含括]|需|结构|提纲|方面|重点|字数|"
    r"篇幅|主题|题目|格式|部分|规范|撰写|围绕|风格",
    re.IGNORECASE,
)
# "Expand this to 800 words: ...", "点评下面的文章，300字。\n...": work on a text that follows.
_WORK = (
    r"(?:\b(?:summari[sz]e|expand|extend|lengthen|rewrite|re-?write|reword|paraphrase|rephrase|"
    r"shorten|condense|proofread|edit|polish|improve|correct|fix|translate|reply|respond|critique|"
    r"grade|simplify|humani[sz]e|reduce|continue|trim|cut|count|turn|answer|read|rank|sort|version\sof|feedback|comment|explain|review|analy[sz]e|here\s(?:it\s)?is|here[’']s|"
    r"compare|look\sat|"
    r"following|below)|下面|以下|下列|这[篇段]|降重|排序|阅读|回答|总结|概括|缩写|扩写|改写|续写|"
    r"润色|翻译|修改|点评|"
    r"评价|压缩|缩短|精简|提炼|整理|数一下|批改|摘要|[减增][少加]|[把将]|根据|指出|检查|"
    r"改[到成为至]|"
    r"\b(?:does|is|check)\s(?:this|my)\b)"
)
_WORK_ON = re.compile(
    # Looked for everywhere, for one may stand inside another's sentence.
    rf"(?=(?P<all>{_WORK}(?P<said>[^\n:：]{{0,120}}?)"
    r"(?:[:：](?P<asked>[^\n:：]{1,80}[?？])\n\s{0,3}|[:：]\s{0,3}|(?P<line>\n|[?？])\s{0,3})))",
    re.IGNORECASE,
)
_OWN_NOUNS = re.compile(
    r"includ|cover\b(?!\sletter)|aspect|(?<!bullet\s)points|包[含括]|方面|"
    r"requirement|instruction|criteri|guideline|(?:outline|structure|大纲|提纲|结构)\s?\Z|question|task|topic|prompt|"
    r"assignment|key\s?word|rubric|要求|主题|题目|问题|任务|关键词|格式|如何|怎么",
    re.IGNORECASE,
)
_REFERENCE = re.compile(
    r"\b(?:following|below|this|these|my|the\s(?:text|passage|article|e-?mail|letter))\b|下面|以下|"
    r"下列|下述|这[篇段些个份]|我的|文章|短文|文段",
    re.IGNORECASE,
)
# "...\n\nReply to this email, 100 words": all that stands before is the text.
_WORK_ON_ABOVE = re.compile(
    rf"{_WORK}[^\n]{{0,40}}(?:\b(?:this|the|above)\s(?:above\s)?(?:e-?mail|text|article|passage|"
    r"letter|paragraph|transcript|review|post|document)|(?:上文|[以上][上面文述]|这)[^，。\n]{0,4}"
    r"(?:文章|文字|段|邮件|信|作文|短文))",
    re.IGNORECASE,
)
_TRANSLATE = re.compile(r"translat|翻译|proofread|grammar|count\s|数一下", re.IGNORECASE)
_REQUIREMENTS = re.compile(
    r"\s{0,3}(?:[-*•#\d(（【]|要求|字数|please\b|the\s(?:essay|article|report|story|"
    r"text)\s(?:should|"
    r"must)|you\s|请)",
    re.IGNORECASE,
)
_KEY_LINE = re.compile(
    r"\n\s{0,3}[-*•]?\s?(?:要求|字数|篇幅|requirements?\b|words?(?:\s(?:count|limit))?\s?[:：]|"
    r"length\s?[:：])",
    re.IGNORECASE,
)
_ASKING_CHARS = 400
# A paragraph so long is prose, not a remark; a Han character holds about as much as two letters.
_PROSE_CHARS = 120
_LAST_LINE_CHARS = 240
_LONG_TEXT_CHARS = 1_500
_LAST_REMARK_CHARS = 80
_SENTENCE_END = re.compile(r"[。！？!?]|\.\s")
_HAN = re.compile(r"[一-鿿]")


def find_paste(text: str) -> tuple[int, int]:
    """Where pasted material begins and ends: after a marker such as "Reference:" that introduces
    something long, or what is to be worked on; (len, len) where there is none.

    The last words of a prompt may be the request again, so they are no paste.
    """
    last = len(text) - _LAST_WORDS_CHARS
    for marker in _MARKER.finditer(text[:HEAD_CHARS]):
        if last - marker.end() < _LONG_CHARS:
            break
        start = text.rfind("\n", 0, marker.start()) + 1
        said = _last_clause(text[start : marker.start()]) + marker[0]
        if _OWN_WORDS.search(said) is None:
            return marker.end(), last
    return _find_worked_on(text)


def _find_worked_on(text: str) -> tuple[int, int]:
    for marker in _WORK_ON.finditer(text[:_ASKING_CHARS]):
        if marker["asked"] is None and not _introduces(marker):
            continue
        rest = text[marker.end("all") :].rstrip()
        if _TRANSLATE.search(marker["all"]) and "\n" not in rest:
            return marker.end("all"), len(text)
        if _REQUIREMENTS.match(rest) or _KEY_LINE.search(rest[:_ASKING_CHARS]):
            continue
        handed = marker["line"] is None and _REFERENCE.search(marker["all"])
        if handed or _size(rest[:_PROSE_CHARS]) >= _PROSE_CHARS:
            return marker.end("all"), _end_of_work(text, marker.end("all"))
    line = text.rstrip().rfind("\n") + 1
    if len(text) - line < _LAST_LINE_CHARS and _WORK_ON_ABOVE.search(text, line):
        above = text[:line]
        if _size(above) >= 2 * _PROSE_CHARS and not _KEY_LINE.search(above):
            return 0, line
    return len(text), len(text)


def _introduces(marker: re.Match[str]) -> bool:
    if _OWN_NOUNS.search(marker["said"]):
        return False
    return marker["line"] is None or _REFERENCE.search(marker["all"]) is not None


def _end_of_work(text: str, start: int) -> int:
    """Before a short last line, for it may be the request again, or before the last sentence."""
    line = text.rstrip().rfind("\n", start)
    most = _LAST_LINE_CHARS if len(text) < _LONG_TEXT_CHARS else _LAST_LINE_CHARS * 2
    if line > 0 and len(text) - line < most:
        return line
    first = max(start, len(text) - _LAST_REMARK_CHARS)
    ends = [first + end.end() for end in _SENTENCE_END.finditer(text[first:].rstrip(" .。\n"))]
    return ends[-1] if ends else len(text)


def _size(text: str) -> int:
    return len(text) + len(_HAN.findall(text))


def _last_clause(text: str) -> str:
    cut = 0
    for end in CLAUSE_END.finditer(text):
        cut = end.end()
    return text[cut:]
