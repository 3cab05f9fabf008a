"""Amounts of text that nobody asked for: a statement, a question, a speed, a form.

It must not find amounts or choose among them.
"""

import re

from planner.asked.pattern import pattern
from planner.asked.plainness import TIME_TO_SPEAK
from planner.asked.quantities import WORDS_PER_MINUTE, Quantity
from planner.asked.sources import ROUGHLY, is_change, is_planned, is_source
from planner.asked.surroundings import Surroundings

# So much a day is a speed.
_RATE_AFTER = pattern(
    r"\s?(?:(?:per|a|an|each|every|/)\s?(?:day|week|month|hour|minute|second|night|session|"
    r"sitting)\b|"
    r"daily|weekly|an?\shour|/\s?(?:天|日|小时|分钟|周))"
)
_RATE_BEFORE = pattern(
    r"(?:(?:[每一](?:天|日|周|星期|小时|分钟|晚|秒)|每个?月)[^，。,]{0,12}|日更|daily\s(?:goal|"
    r"target)\s(?:is|of))\s?\Z"
)
# Statements of fact, unless they say what ought to be.
_FACT_BEFORE = pattern(
    r"\b(?:you\sused|wrote|written|writes|contains|had|has|have|was|were|already|currently|now|totall?ed|"
    r"ran|runs|"
    r"(?:i'm|i\sam|we're|we\sare)\s(?:writing|editing|finishing|reading|working\son)\s(?:an?|my|"
    r"the)|"
    r"consists\sof|published|deleted|removed|paid\sfor|sold)" + ROUGHLY
)
_FACT_BEFORE_HAN = pattern(
    r"(?:(?:我正?在写|写了|写过|写好了|读了|看了)(?:一?[部篇本个份])?|写有|已写|已经|已有|现有|"
    r"共有|有了|"
    r"发了|删了|达到了|目前是?|"
    r"现在是?|只有|才|收录)(?:不到|不足)?" + ROUGHLY
)
_IS_FACT = pattern(
    r"\b(?:essay|article|text|book|draft|story|chapter|paper|novel|thesis|manuscript|report|it|"
    r"which|original)\s"
    r"(?:is|'s|comes\sto|runs\sto)" + ROUGHLY + r"|\b(?:that|it|this)(?:['’]?s|\swas)\s(?:only|"
    r"just|barely|about)\s\Z"
)
# What is asked about amounts, not of them.
_QUESTION = pattern(
    r"\A\s?(?:how\s(?:many|long|much|do|can|should)|what\sshould|does|did|is|was|are|were|has)\b|"
    r"\bwhat(?:\sis|'s|\sare)\s(?:an?\s|the\s)?\Z|"
    r"\bdifference\sbetween\b|\bhow\sto\s(?:write|start|structure|outline)\s(?:an?\s|my\s)?\Z|"
    r"(?:多少|什么是)[^，。]{0,4}\Z|为什么[^，。]{0,10}\Z|(?:如何|怎[么样])[^，。]{0,6}\Z"
)
_QUESTION_WHETHER = pattern(r"(?:是不是|是否|有没有|能不能|够不够)[^，。]{0,8}\Z")
_QUESTION_AFTER = pattern(
    r"[^，。,.]{0,8}(?:怎么|如何|怎样)写|[^。]{0,20}(?:从哪|(?:怎么|如何|怎样)开始|多久|多长时间|"
    r"(?:多少|几[页张天个])|"
    r"注意什么)"
)
_QUESTION_END = pattern(r"[^。]{0,40}吗\Z|[^。]{0,20}怎么办")
_REQUEST = pattern(r"帮|请|可以|能|麻烦|给")
# A question about an amount, unless it is a request, or "in 300 words".
_REQUESTS = pattern(
    r"\b(?:please|write|writ(?:e|ing)|give|help|make|create|need|(?:can|could|would|will)\s(?:you|i)|"
    r"in|within|using|under|than|most|least)\b|\A\s{0,3}\Z|帮|请(?!问)|写[一个篇段份]|写\Z|麻烦|给|[用以]|来一"
)
_CAN_YOU = pattern(r"\A\s?can\syou\s(?:write|generate|output)\s(?:more\sthan|over|up\sto)\s\Z")
_RECOMMENDED = pattern(r"\b(?:recommend|suggest)\s[^.,]{0,40}\Z|推荐(?![语信词理])[^，。]{0,12}\Z")
_NAMED = pattern(r"\b(?:name|list|find)\s[^.,]{0,20}(?:novels?|books?|films?)\b[^.,]{0,20}\Z")
_WORKS = pattern(
    r"(?:左右|以内|以上|以下)?的?[^，。,.]{0,8}(?:[书籍]|小说|作品|books?\b|novels?\b)"
)
_LIMIT_OF_OTHERS = pattern(r"\bthe\s\|\s?limit\b")
_OUGHT = pattern(
    r"\b(?:volume|length|size)\sof|"
    r"\b(?:should|must|shall|needs?\sto|has\sto|have\sto|ought|ensure|make\ssure|"
    r"so\s(?:that\s)?it|so\sthat|until|want|"
    r"would\slike|please|if|can|to\shave|aim)\b|要|请|应|需|保证|确保|必须"
)
_LEARNT = pattern(
    r"(?:\b(?:vocabulary(?:\sof)?|learn(?:ing|ed)?|memori[sz]e|know|speaks?|typ(?:e|es|ing)|"
    r"use\sthese)|"
    r"[认识]识?|词汇量?[^，。]{0,4}|背[诵会]?|记住|掌握|学会?了?|打字)" + ROUGHLY
)
# "50 words that rhyme with cat" are a list.
_LIST_OF_WORDS = pattern(
    r"\s(?:(?:that|which)\s(?:rhyme|start|begin|end|contain|mean|are|can)|rhyming|starting|"
    r"beginning|ending|meaning|related|associated|(?:used\s)?to\sdescribe)\b|"
    r"(?:[^，。,.]{0,6}以[^，。,.]{1,6}(?:开头|结尾))"
)
_WRITES_CODE = pattern(
    r"\bwrite\s(?:me\s)?(?:an?\s|the\s)?(?:\w{2,12}\s){0,3}(?:script(?=\s(?:that|to|in|which))|"
    r"function|regex|query|macro|code)\b|写[^，。]{0,8}(?:代码|脚本程序|函数|程序|正则)"
)
# What a program does to a text.
_CODE = pattern(
    r"\b(?:python|javascript|typescript|java|sql|regex|regexp|php|html|css|c\+\+|bash|excel|api|"
    r"function|method|textarea|varchar|input\sfield|text\s?box)\b|python|java|sql|excel|代码|"
    r"正则|函数|接口|文本框|输入框|数据库|字段"
)
_DONE_BY_CODE = pattern(
    r"\b(?:truncat|limits?\b|validat|reject|split|chunk|input|restrict|returns?\b|counts?\b|"
    r"checks?\b|trims?\b|first\b|than\b|longer|every\b)|截[断取]|限制|校验|判断|返回|分割|切分|"
    r"拆分|"
    r"检查|超过|输入"
)
_IN_OR_OF = pattern(r"(?:\bin|(?<!list)(?<!set)(?<!group)\sof)\s(?:exactly\s|only\s|just\s)?\Z")
_NAME = pattern(r"名字|[店书网笔队司品]名|[起取]个?名|\bnames?\b")
_SAYING = pattern(
    r"(?:核心)?(?:方针|箴言|真言|口诀|成语|令\b|经\b|价值观|诀|名言|金句)|个?(?:核心|关键)"
)
_NO_TEXT_PAGE = pattern(
    r"\b(?:ppt|powerpoint|slides?|deck|web\s?site|web|landing|app)\b|ppt|幻灯片|课件|演示文稿|"
    r"网页|网站"
)
_PLACE_OF_PAGE = pattern(r"(?:\b(?:first|last|next|of\sthe|every|on|to|across)|第|前|后)\s?\Z")
_QUOTE_BEFORE = pattern(r"[\"“'‘]\Z")
_QUOTE_AFTER = pattern(r"[\"”'’,]")
_QUOTED_HAN = pattern(r"[“「『《][^”」』》]{0,60}\Z")
_SPOKEN_FORMS = (
    r"speech|talk\b|presentation|(?<!java)(?<!type)script|podcast|toast|monologue|address\b|sermon|lecture|remarks|"
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
_SPOKEN = pattern(_SPOKEN_FORMS)
_SPOKEN_NEXT = pattern(rf"[^,，。.;；)）]{{0,48}}?(?:{_SPOKEN_FORMS})")
_DURATION = pattern(
    r"duration|length|last(?:s|ing)?\b|takes?\b|perform|long\b|time\b|within|about|around|"
    r"approximately|script|speech|时长|时间|"
    r"控制|长度|限时|篇幅|不超过|左右|以内"
)
_CLOCK = pattern(r"\d\s?(?:分|minutes?\s(?:and\s)?|min\s)\Z")
# What lasts an hour is seldom read out word for word.
_HOUR_WORDS = 60 * WORDS_PER_MINUTE
_EVENT = pattern(
    r"\b(?:lesson|class|classroom|workshop|training|meeting|workout|exam|recipe|walk|drive|break|"
    r"session)\b|"
    r"教案|课堂|课程|实验课|一节|一堂|课件|教学|晚会|会议时|活动|运动|考试|培训|节课"
)


_SHORT_WORDS = 200


def is_distractor(quantity: Quantity, around: Surroundings) -> bool:
    """Whether an amount is surely not the length that was asked for."""
    return (
        is_source(around)
        or _is_fact(around)
        or _is_rate(around)
        # The outline of so short a text is about as long.
        or (is_planned(around) and quantity.high_words > _SHORT_WORDS)
        or is_change(around)
        or _is_question(around)
        or _is_too_small(quantity, around)
        or (quantity.unit == "pages" and _is_no_text_page(around))
        or (quantity.unit == "minutes" and not _is_spoken(quantity, around))
    )


def _is_question(around: Surroundings) -> bool:
    if _QUESTION.search(around.before) or _QUESTION_AFTER.match(around.after):
        return True
    if _QUESTION_WHETHER.search(around.before) or _CAN_YOU.search(around.before):
        return True
    if _QUESTION_END.match(around.after) and not _REQUEST.search(around.before):
        return True
    return around.asks and _REQUESTS.search(around.before) is None


def _is_fact(around: Surroundings) -> bool:
    if _RECOMMENDED.search(around.before) and _WORKS.match(around.after):
        return True
    if _NAMED.search(around.before) or _LIST_OF_WORDS.match(around.after):
        return True
    if _is_for_code(around):
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
    ought = _OUGHT.search(around.clause) or TIME_TO_SPEAK.match(around.after)
    return found is not None and ought is None


def _is_for_code(around: Surroundings) -> bool:
    if _WRITES_CODE.search(around.before):
        return True
    return bool(_CODE.search(around.before) and _DONE_BY_CODE.search(around.clause))


def _is_rate(around: Surroundings) -> bool:
    return bool(_RATE_AFTER.match(around.after) or _RATE_BEFORE.search(around.before))


def _is_too_small(quantity: Quantity, around: Surroundings) -> bool:
    """Counts of words or characters that are a form rather than a length."""
    if quantity.unit == "characters":
        return quantity.number < 100
    if quantity.unit != "words" or quantity.high_words >= 30:
        return False
    if quantity.high_words < 3 or _SAYING.match(around.after) or _NAME.search(around.before):
        return True
    bounded = quantity.bound != "about" or quantity.low_words < quantity.high_words
    return not (
        bounded
        or quantity.attributive
        or _IN_OR_OF.search(around.before)
        or re.match(r"\s?(?:左右|long|in\slength)", around.after)
    )


def _is_no_text_page(around: Surroundings) -> bool:
    sentence = around.before + around.after
    return bool(_NO_TEXT_PAGE.search(sentence) or _PLACE_OF_PAGE.search(around.before))


def _is_spoken(quantity: Quantity, around: Surroundings) -> bool:
    if _CLOCK.search(around.before):
        return False
    following = _SPOKEN_NEXT.match(around.after)
    if quantity.attributive and following is None:
        return False
    if following is not None and _EVENT.search(following[0]) is None:
        return True
    if not _SPOKEN.search(around.before) and (
        _EVENT.search(around.before) or quantity.low_words >= _HOUR_WORDS
    ):
        return False
    if TIME_TO_SPEAK.match(around.after):
        return True
    return _DURATION.search(around.before[-48:] + around.after[:8]) is not None
