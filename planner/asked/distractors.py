"""Amounts of text that nobody asked for: what a source holds, what a day brings, what was counted.

It must not find amounts or choose among them.
"""

import re

from planner.asked.quantities import WORDS_PER_MINUTE, Quantity
from planner.asked.surroundings import Surroundings

_ROUGHLY = (
    r"(?:\s?(?:about|around|approximately|roughly|over|nearly|almost|some|only|"
    r"约|大约|近|将近|了|共|有|是|为))?\s?\Z"
)


def _pattern(source: str) -> re.Pattern[str]:
    return re.compile(source, re.IGNORECASE)


# So much a day is a speed.
_RATE_AFTER = _pattern(
    r"\s?(?:(?:per|a|an|each|every|/)\s?(?:day|week|month|hour|minute|second|night|session|"
    r"sitting)\b|"
    r"daily|weekly|an?\shour|/\s?(?:天|日|小时|分钟|周))"
)
_RATE_BEFORE = _pattern(
    r"(?:(?:[每一](?:天|日|周|星期|小时|分钟|晚|秒)|每个?月)[^，。,]{0,12}|日更|daily\s(?:goal|"
    r"target)\s(?:is|of))\s?\Z"
)
# What lies before the writer: "this 5,000-word article", "原文5000字".
_SOURCE_BEFORE = _pattern(
    r"(?<!\bwrite\s)(?<!draft\s)(?<!compose\s)(?<!create\s)(?<!finish\s)\b(?:this|that|these|"
    r"those|my|our|"
    r"his|her|their|your|attached|given|existing|original|following|above|below|enclosed|provided|"
    r"uploaded|"
    r"previous|input|pasted)\s(?:(?!in\b|into\b|to\b|as\b|within\b|using\b|with\b|of\b|lasts?\b|"
    r"takes?\b|runs?\b|is\b|wants?\b|needs?\b|asks?\b|requires?\b|down\b|from\b|up\b|"
    r"by\b)[a-z'-]{2,16}\s){0,2}?" + _ROUGHLY
)
_SOURCE_BEFORE_HAN = _pattern(
    r"(?<![写成作])(?:这|那|该|此|以下|下面|上面|上述|下列|附件|原|我的|我写的|我们的|给定|已有|"
    r"现有|提供的|给出的|上传的|"
    r"原文|原稿|初稿|原书|全书|本书|材料|原著|这本书|文件)(?:中|里)?(?:的)?(?:这|那)?一?(?:篇|段|"
    r"份|个|部|封|本|则|章|张)?的?" + _ROUGHLY
)
_SOURCE_AFTER = _pattern(
    r"\s?(?:(?:\S{1,16}\s){0,5}?(?:above|below|attached|that\si\s(?:wrote|have|uploaded)|"
    r"i\s(?:wrote|have\swritten))\b|"
    r"[^，。,]{0,4}的(?:原文|原稿|初稿|材料|资料|素材|原著))"
)
# Statements of fact, unless they say what ought to be.
_FACT_BEFORE = _pattern(
    r"\b(?:wrote|written|writes|contains|had|has|have|was|were|already|currently|now|totall?ed|"
    r"ran|runs|"
    r"(?:i'm|i\sam|we're|we\sare)\s(?:writing|editing|finishing|reading|working\son)\s(?:an?|my|"
    r"the)|"
    r"consists\sof|published|deleted|removed|paid\sfor|sold)" + _ROUGHLY
)
_FACT_BEFORE_HAN = _pattern(
    r"(?:我正?在写(?:一?[部篇本个])?|写了|写过|写有|已写|写好了|已经|已有|现有|共有|有了|读了|"
    r"看了|发了|删了|达到了|目前是?|"
    r"现在是?|只有|才|收录)" + _ROUGHLY
)
_IS_FACT = _pattern(
    r"\b(?:essay|article|text|book|draft|story|chapter|paper|novel|thesis|manuscript|report|it|"
    r"which|original)\s"
    r"(?:is|'s|comes\sto|runs\sto)" + _ROUGHLY
)
# What is asked about amounts, not of them.
_QUESTION = _pattern(
    r"\A\s?how\s(?:many|long|much)\b|\bwhat(?:\sis|'s|\sare)\s(?:an?\s|the\s)?\Z|"
    r"\bdifference\sbetween\b|\bhow\sto\s(?:write|start|structure|outline)\s(?:an?\s|my\s)?\Z|"
    r"(?:多少|什么是)[^，。]{0,4}\Z|(?:如何|怎[么样])[^，。]{0,6}\Z"
)
_QUESTION_AFTER = _pattern(r"[^，。,.]{0,8}(?:怎么|如何|怎样)写")
_LIMIT_OF_OTHERS = _pattern(r"\bthe\s\|\s?limit\b")
_OUGHT = _pattern(
    r"\b(?:should|must|shall|needs?\sto|has\sto|have\sto|ought|ensure|make\ssure|"
    r"so\s(?:that\s)?it|so\sthat|until|want|"
    r"would\slike|please|if|can|to\shave|aim)\b|要|请|应|需|保证|确保|必须"
)
_CHANGED_FROM = _pattern(r"(?:\bfrom\s(?:about\s|around\s|the\s)?|从原?来?的?|由原?来?的?)\Z")
_CHANGED_TO = _pattern(
    r"[^,，。.]{0,24}?(?:\b(?:down\s|up\s)?(?:in)?to\b|"
    r"[扩缩压增减删精提改变加][^，。]{0,6}[到成至为])"
)
_BY = _pattern(
    r"\b(?:increase|reduc|decreas|shorten|cut|trim|longer|shorter|extend|"
    r"grow)[^,.;]{0,24}\sby\s(?:about\s|"
    r"around\s|approximately\s)?\Z|(?:减少|删去|删减|删掉|增加了?|扩充了?)\Z"
)
# 把一篇3000字的文章缩写成500字, "summarise a 3,000-word report in ..."
_TAKEN = _pattern(r"[把将][^，。成为到]{0,16}\Z")
_MADE = _pattern(
    r"的[^。]{0,40}(?:[改缩扩写变压提浓精翻译][^。]{0,6}[成为到至]|压缩|缩减|精简|翻译|润色|浓缩|"
    r"扩展)"
)
_TRANSFORM = _pattern(
    r"\b(?:summari[sz]e|condense|shorten|proofread|edit|revise|review|analy[sz]e|critique|"
    r"paraphrase|translate|"
    r"rewrite|reword|expand|grade|evaluate|read|improve|polish|rephrase)\s(?:a|an|"
    r"the)\s(?:[a-z-]{1,12}\s)?\Z|"
    r"(?:总结|概括|缩写|压缩|润色|翻译|修改|改写|阅读|精简|提炼|扩写)(?:一下|"
    r"了)?(?:一[篇段份个])?\Z"
)
_LEARNT = _pattern(
    r"(?:\b(?:vocabulary(?:\sof)?|learn(?:ing|ed)?|memori[sz]e|know|speaks?|typ(?:e|es|ing)|"
    r"use(?:\sthese)?)|"
    r"[认识]识?|词汇量?[^，。]{0,4}|背[诵会]?|记住|掌握|学会?了?|打字)" + _ROUGHLY
)
_SAYING = _pattern(
    r"(?:核心)?(?:方针|箴言|真言|口诀|成语|令\b|经\b|价值观|诀|名言|金句)|个?(?:核心|关键)"
)
_NO_TEXT_PAGE = _pattern(
    r"\b(?:ppt|powerpoint|slides?|deck|web\s?site|web|landing|app)\b|ppt|幻灯片|课件|演示文稿|"
    r"网页|网站"
)
_PLACE_OF_PAGE = _pattern(r"(?:\b(?:first|last|next|of\sthe|every|on|to|across)|第|前|后)\s?\Z")
_QUOTE_BEFORE = _pattern(r"[\"“'‘]\Z")
_QUOTE_AFTER = _pattern(r"[\"”'’,]")
_QUOTED_HAN = _pattern(r"[“「『《][^”」』》]{0,60}\Z")

_SPOKEN_FORMS = (
    r"speech|talk\b|presentation|script|podcast|toast|monologue|address\b|sermon|lecture|remarks|"
    r"keynote|"
    r"eulogy|video|voice-?over|narration|pitch|audio|broadcast|skit|play\b|screenplay|dialogue|"
    r"episode|"
    r"defen[cs]e|course\sreport|read\b|reading|story|oration|演讲|发言|讲话|致辞|致词|"
    r"[讲话词说]稿|答辩|脚本|口播|解说|"
    r"旁白|故事|播客|朗诵|朗读|剧本|话剧|小品|相声|台词|主持|宣讲|路演|开场白|视频|汇报|讲座|说课|"
    r"述职|"
    r"自我介绍|电影|阅读|独白|串词|"
    r"表演|演出|短剧|广播|广告|tik\s?tok|\breels?\b|documentary|\bad\b|commercial|vlog|trailer|稿"
)
_SPOKEN = _pattern(_SPOKEN_FORMS)
_SPOKEN_NEXT = _pattern(rf"[^,，。.;；)）]{{0,48}}?(?:{_SPOKEN_FORMS})")
_DURATION = _pattern(
    r"duration|length|last(?:s|ing)?\b|takes?\b|perform|long\b|time\b|within|about|around|"
    r"approximately|script|speech|时长|时间|"
    r"控制|长度|限时|篇幅|不超过|左右|以内"
)
# What lasts an hour is seldom read out word for word.
_HOUR_WORDS = 60 * WORDS_PER_MINUTE
_EVENT = _pattern(
    r"\b(?:lesson|class|classroom|workshop|training|meeting|workout|exam|recipe|walk|drive|break|"
    r"session)\b|"
    r"教案|课堂|课程|实验课|一节|一堂|课件|教学|晚会|会议时|活动|运动|考试|培训|节课"
)


def is_distractor(quantity: Quantity, around: Surroundings) -> bool:
    """Whether an amount is surely not the length that was asked for."""
    return (
        _is_source(around)
        or _is_fact(around)
        or _is_rate(around)
        or _is_change(around)
        or _is_too_small(quantity, around)
        or (quantity.unit == "pages" and _is_no_text_page(around))
        or (quantity.unit == "minutes" and not _is_spoken(quantity, around))
    )


def _is_source(around: Surroundings) -> bool:
    before = around.before
    if _SOURCE_BEFORE.search(before) or _SOURCE_BEFORE_HAN.search(before):
        return True
    if _TAKEN.search(around.clause) and _MADE.match(around.after):
        return True
    return bool(_TRANSFORM.search(before)) or _SOURCE_AFTER.match(around.after) is not None


def _is_fact(around: Surroundings) -> bool:
    if _QUESTION.search(around.before) or _QUESTION_AFTER.match(around.after):
        return True
    if _LIMIT_OF_OTHERS.search(around.before + "|" + around.after):
        return True
    if around.line.count('"') % 2 and not around.line.startswith('"'):
        return True
    if _QUOTE_BEFORE.search(around.before) and _QUOTE_AFTER.match(around.after):
        return True
    if (
        _LEARNT.search(around.before)
        or _QUOTED_HAN.search(around.line)
        and around.line[0] not in "“「『"
    ):
        return True
    found = (
        _FACT_BEFORE.search(around.before)
        or _IS_FACT.search(around.before)
        or _FACT_BEFORE_HAN.search(around.before)
    )
    return found is not None and _OUGHT.search(around.clause) is None


def _is_rate(around: Surroundings) -> bool:
    return bool(_RATE_AFTER.match(around.after) or _RATE_BEFORE.search(around.before))


def _is_change(around: Surroundings) -> bool:
    if _BY.search(around.before):
        return True
    return bool(_CHANGED_FROM.search(around.before) and _CHANGED_TO.match(around.after))


def _is_too_small(quantity: Quantity, around: Surroundings) -> bool:
    """Counts of words or characters that are a form rather than a length."""
    if quantity.unit == "characters":
        return quantity.number < 100
    if quantity.unit != "words" or quantity.high_words >= 30:
        return False
    if quantity.high_words < 3 or _SAYING.match(around.after):
        return True
    bounded = quantity.bound != "about" or quantity.low_words < quantity.high_words
    return not (
        bounded or quantity.attributive or re.match(r"\s?(?:左右|long|in\slength)", around.after)
    )


def _is_no_text_page(around: Surroundings) -> bool:
    sentence = around.before + around.after
    return bool(_NO_TEXT_PAGE.search(sentence) or _PLACE_OF_PAGE.search(around.before))


def _is_spoken(quantity: Quantity, around: Surroundings) -> bool:
    following = _SPOKEN_NEXT.match(around.after)
    if quantity.attributive and following is None:
        return False
    if following is not None and _EVENT.search(following[0]) is None:
        return True
    if not _SPOKEN.search(around.before) and (
        _EVENT.search(around.before) or quantity.low_words >= _HOUR_WORDS
    ):
        return False
    return _DURATION.search(around.before[-48:] + around.after[:8]) is not None
