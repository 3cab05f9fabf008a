"""Amounts that are the size of another text: of what is worked on, planned or changed.

It must not find amounts or choose among them.
"""

from planner.asked.pattern import pattern
from planner.asked.surroundings import Surroundings

ROUGHLY = (
    r"(?:\s?(?:about|around|approximately|roughly|over|nearly|almost|some|only|"
    r"约|大约|近|将近|了|共|有|是|为))?\s?\Z"
)
"""A pattern for what may stand between such a text and its size."""


# What lies before the writer: "this 5,000-word article", "原文5000字".
_SOURCE_BEFORE = pattern(
    r"(?<!\bwrite\s)(?<!make\s)(?<!keep\s)(?<!draft\s)(?<!compose\s)(?<!create\s)(?<!finish\s)\b(?:this|that|these|"
    r"those|my|our|"
    r"his|her|their|your|attached|given|existing|original|following|above|below|enclosed|provided|"
    r"uploaded|"
    r"previous|input|pasted)\s(?:(?!in\b|into\b|to\b|as\b|within\b|for\b|write\b|using\b|with\b|"
    r"of\b|lasts?\b|"
    r"takes?\b|runs?\b|is\b|wants?\b|needs?\b|asks?\b|requires?\b|down\b|from\b|up\b|"
    r"by\b)[a-z'-]{2,16}\s){0,2}?" + ROUGHLY
)
_SOURCE_BEFORE_HAN = pattern(
    r"(?<![写成作])(?:这|那|该|此|以下|下面|上面|上述|下列|附件|原|我的|我写的|我们的|给定|已有|"
    r"现有|提供的|给出的|上传的|"
    r"原文|原稿|初稿|原书|全书|本书|材料|原著|这本书|文件)(?:中|里)?(?:的)?(?:这|那)?一?(?:篇|段|"
    r"份|个|部|封|本|则|章|张)?的?(?:文章|论文|小说|作文|稿子|报告)?" + ROUGHLY
)
_SOURCE_AFTER = pattern(
    r"\s?(?:(?:(?!(?:based|from|using|according|on|about|of|for)\s)\S{1,16}\s){0,5}?(?:above|"
    r"below|attached|that\si\s(?:wrote|have|uploaded)|"
    r"i\s(?:wrote|have\swritten))\b|"
    r"[^，。,]{0,4}的(?:原文|原稿|初稿|材料|资料|素材|原著))"
)
_CHANGED_FROM = pattern(r"(?:\bfrom\s(?:about\s|around\s|the\s)?|从原?来?的?|由原?来?的?)\Z")
_CHANGED_TO = pattern(
    r"[^,，。.]{0,24}?(?:\b(?:down\s|up\s)?(?:in)?to\b|"
    r"[扩缩压增减删精提改变加][^，。]{0,6}[到成至为])"
)
_BY = pattern(
    r"\b(?:increase|reduc|decreas|shorten|cut|trim|longer|shorter|extend|"
    r"grow)[^,.;]{0,24}\sby\s(?:about\s|"
    r"around\s|approximately\s)?\Z|\b(?:lose|remove|delete|shed)\s(?:about\s|over\s)?\Z|(?:减少|删去|删减|删掉|增加了?|扩充了?)\Z"
)
# 把一篇3000字的文章缩写成500字, "summarise a 3,000-word report in ..."
_TAKEN = pattern(r"[把将][^，。成为到]{0,16}\Z")
_MADE = pattern(
    r"的[^。]{0,40}(?:[改缩扩写变压提浓精翻译][^。]{0,6}[成为到至]|压缩|缩减|精简|翻译|润色|浓缩|"
    r"扩展)"
)
_TRANSFORM = pattern(
    r"\b(?:summari[sz]e|condense|shorten|proofread|edit|revise|review|analy[sz]e|critique|"
    r"paraphrase|translate|"
    r"rewrite|reword|expand|grade|evaluate|read|improve|polish|rephrase)\s(?:a|an|"
    r"the)\s(?:[a-z-]{1,12}\s)?\Z|"
    r"(?:(?<![作终年度习人动目训会])总结|概括|缩写|压缩|润色|翻译|修改|改写|阅读|精简|提炼|扩写)(?:一下|"
    r"了)?(?:一[篇段份个])?\Z"
)
# "An outline for a 5,000-word thesis"; the outline has another length.
_PLANNED_BEFORE = pattern(
    r"\b(?:outlines?|synopsis|summary|review|blurb|titles?|ideas|headings|structure|topics?|prompts?|thesis\sstatement|plan)"
    r"\s(?:for|of)\s(?:an?|my|the|our)\s(?:[a-z-]{1,14}\s){0,2}\Z|"
    r"\b(?:joke|story|poem|tale|song|question)s?\s(?:about|on)\s(?:an?|the)\s\Z|"
    r"(?:大纲|提纲|目录|框架)[，,。\s]{0,2}(?:我的)?(?:论文|全文|小说|文章|正文|全书)[^，。]{0,8}\Z"
)
_PLANNED_AFTER = pattern(
    r"的?[^，。的]{0,4}(?:论文|小说|文章|剧本|报告)的?[^，。的]{0,6}(?:大纲|提纲|目录|框架|题目|"
    r"书名)|"
    r"\s(?:rule|barrier|milestone|challenge)\b|(?:\s[a-z]{1,14}){1,2}\soutline\b"
)
# "The teacher wants 800 words; point out the mistakes": the text is there.
_CHECKED_AFTER = pattern(r"[^。.]{0,24}(?:指出|批改|打分|评分|语病|错别字|校对|\bproofread\b)")
# "把这段话翻译成日语：请在8000字以内…": all of the line is the source.
_TRANSLATED = pattern(r"(?:translat|翻译)[^:：\n]{0,40}[:：][^\n]{0,160}\Z")


def is_source(around: Surroundings) -> bool:
    """Whether an amount is what something that lies there already holds."""
    before = around.before
    if _TRANSLATED.search(around.line):
        return True
    if _CHECKED_AFTER.match(around.after):
        return True
    if _SOURCE_BEFORE.search(before) or _SOURCE_BEFORE_HAN.search(before):
        return True
    if _TAKEN.search(around.clause) and _MADE.match(around.after):
        return True
    return bool(_TRANSFORM.search(before)) or _SOURCE_AFTER.match(around.after) is not None


def is_planned(around: Surroundings) -> bool:
    """Whether an amount is the size of what an outline or a title is asked for."""
    return bool(_PLANNED_BEFORE.search(around.before) or _PLANNED_AFTER.match(around.after))


def is_change(around: Surroundings) -> bool:
    """Whether an amount is by how much a text changes, or what it changes from."""
    if _BY.search(around.before):
        return True
    return bool(_CHANGED_FROM.search(around.before) and _CHANGED_TO.match(around.after))
