"""How plainly a sentence asks for a length. It must not say what the length is of."""

import re

from planner.asked.pattern import pattern
from planner.asked.quantities import Quantity
from planner.asked.surroundings import Surroundings

_TOTAL = pattern(
    r"\b(?:total(?:l?ing|s)?|overall|altogether|in\sall|entire|whole|full\s(?:text|length|article|"
    r"piece)|"
    r"complete\s(?:text|lesson\splan|document))\b|总字数|总长度?|总计|总共|共计|合计|一共|全文|"
    r"全篇|整篇|通篇|"
    r"整体|总篇幅|总量|共约?\Z|全部"
)

_TOTAL_AFTER = pattern(r"[\s,)]{0,2}(?:in\stotal|overall|altogether|total\b|in\sall)")

LENGTH_KEY = pattern(
    r"word\s?(?:count|limit|length)s?|wordcount|\blength\b|\blenght\b|\blenth\b|\bvolume\sof|"
    r"\blimit|"
    r"number\sof\swords|duration|"
    r"字数|篇幅|长度|时长|"
    r"全文|文字|字长|\blong\b|\bsize\b"
)

_LONG_AFTER = pattern(r"[\s)]{0,2}(?:in\slength|long\b|of\slength)")

MAKE = pattern(
    r"\b(?:can\si\s(?:get|have)|i(?:[’']d|\swould)\s(?:like|love)|"
    r"write|writing|wrte|wrtie|wirte|rite|draft|reply|output|publish|supply|submit|create|"
    r"compose|generate|produce|prepare|make|give|provide|develop|"
    r"craft|pen|"
    r"summari[sz]e|review|critique|rewrite|expand|condense|shorten|explain|describe|discuss|"
    r"design|complete|turn|deliver|"
    r"compile|brainstorm|needs?|wants?|looking\sfor|help|do|build|outline|tell|continue|extend|"
    r"reduce|cut|trim|"
    r"answer|respond|compress|elaborate|introduce|form)\b|写|口述|撰|创作|生成|起草|编|拟|制作|"
    r"设计|请|"
    r"帮|需要|来一?[篇个段份]|"
    r"给我|给一[个篇段份部]|输出|总结|概括|[改扩缩]|翻译|润色|介绍|分析|解读|整理|出一|做一|形成|"
    r"作一|讲|策划|准备|"
    r"为"
)

_OUGHT = pattern(
    r"\b(?:should|must|shall|needs?\sto|has\sto|have\sto|require[sd]?|requirement|kept|keep|aim|"
    r"target|limit|maintain(?:ed)?|"
    r"ensure|suggested|recommended|expected|ideally|maximum|minimum|preferred|at\sleast|"
    r"no\s(?:more|less|fewer)\sthan)\b|"
    r"要求|控制|应|须|需|建议|不少于|不超过|不低于|左右|范围|限"
)

DELIVERABLE = pattern(
    r"(?:\s?A4纸?)?[\s,的]{0,2}[一-鿿《》]{0,10}?(?:[\w’'-]{1,18}\s){0,5}?(?:essay|article|story|"
    r"novel|report|paper|"
    r"post|blog|guide|review|speech|letter|"
    r"chapter|summary|analysis|script|poem|biography|thesis|dissertation|piece|draft|text|copy|"
    r"email|"
    r"description|plan|proposal|profile|statement|document|manual|tutorial|presentation|overview|"
    r"response|"
    r"answer|作文|文章|论文|小说|报告|散文|故事|评论|总结|攻略|稿|文案|传记|纪要|简历|教案|方案|"
    r"心得|读后感|书评|介绍|指南|信|短文|长文|日记|"
    r"议论文|记叙文|说明文|演讲|发言|检讨|汇报|体会|感想|观后感|影评|推荐语|评语|[甜虐爽软]文|"
    r"短篇|中篇|长篇|entry|entries|scene|monologue|reflection|bio\b)"
)

_WHOLE_CLAUSE = pattern(
    r"[\s\-*•·>（(【\[]{0,4}(?:\d{1,2}[.)、）]\s?)?(?:about|around|approximately|approx\.?|"
    r"roughly|~|in|of|"
    r"between|within|at\sleast|at\smost|no\s(?:more|less|fewer)\sthan|up\sto|under|over|maximum|"
    r"minimum|max|"
    r"min|and|with|a|约|大约|大概|不少于|不超过|至少|最多|在|共|写|字数|控制在|要求|不低于|≥|≤|>|"
    r"<|\s){0,4}\s?\Z"
)

# "in 300 words", "an essay of about 300 words", "用300字".
_IN_SO_MANY = pattern(
    r"(?:\b(?:in|within|using)\s(?:about\s|around\s|under\s|only\s|just\s|a\s|roughly\s|"
    r"approximately\s)?|"
    r"\b(?:essay|article|story|report|paper|post|review|speech|letter|chapter|summary|piece|novel|"
    r"text)\s"
    r"(?:of|at)\s(?:[a-z]{1,14}\s){0,4}|[用以在])\Z"
)

# So plain a command is one even in the midst of a source.
_COMMAND = pattern(
    r"(?:\A|[.,;:，。；：]\s?)(?:please\s|and\s|then\s|now\s){0,2}write\s(?:me\s)?an?\s\Z|"
    r"(?:\A|[.,;:，。；：]\s?)请(?:你|您|帮我)?(?:据此)?[撰编]?写一[篇份个]\Z"
)
# "I have 3 minutes to speak."
TIME_TO_SPEAK = pattern(r"\s(?:to|for)\s(?:speak|talk|present|pitch|fill)")
_ON = pattern(r"\s(?:on|about)\b")
# "开题报告5000字": a prompt that is no sentence.
_KIND_ALONE = pattern(
    r"(?!.{0,8}[这那该此本原])[^，。,.\s]{0,10}(?:文章|论文|小说|报告|散文|故事|评论|总结|作文|"
    r"演讲稿|稿|方案|"
    r"心得|体会|有感|感想|汇报|检讨书?|影评|观后感|读后感|essay|article|story|"
    r"report)[\s:：]{0,2}(?:约|大约)?"
)
# A line of a list of requirements that ends in the amount.
# What may stand before an amount that begins a line.
_LEAD = " -*#>~≈约近"
_COUNTED = pattern(r"\A\s{0,3}(?:an?|\d{1,2}|two|three|four|five|six|seven|eight|nine|ten)\s")
_LIST_ITEM = pattern(r"\s{0,4}(?:[-*•·]|\(?\d{1,2}[.)、）．])\s?[^\n。.;；]{0,60}")
_CLAUSE_OVER = re.compile(
    r"(?:左右|以内|以上|之间|上下|字?以下|内|minimum|max|long|-?ish)?\s?(?:\Z|"
    r"[，,。.;；)）\]】\n、])"
)


def plainness(quantity: Quantity, around: Surroundings) -> int:
    """How plainly a sentence asks for a length: a verb, a word for length, a clause of its own.

    Below 3 an amount is only mentioned. Worked number: "Write a 500-word essay": 3 for the verb
    and 2 for the kind of text, 5.
    """
    plain = 3 * (MAKE.search(around.before) is not None)
    plain += 3 * (
        quantity.keyed
        or LENGTH_KEY.search(around.clause) is not None
        or _LONG_AFTER.match(around.after) is not None
    )
    plain += 3 * (_OUGHT.search(around.clause) is not None or quantity.bound != "about")
    plain += 3 * (not around.before.strip(_LEAD) and _ON.match(around.after) is not None)
    kind = DELIVERABLE.match(around.after) is not None
    plain += 2 * kind + 2 * (kind and not _COUNTED.sub("", around.line).strip(_LEAD))
    plain += 3 * (_IN_SO_MANY.search(around.before) is not None)
    alone = _WHOLE_CLAUSE.fullmatch(around.clause) and _CLAUSE_OVER.match(around.after)
    listed = _LIST_ITEM.fullmatch(around.line) and not around.after.strip()
    told = _KIND_ALONE.fullmatch(around.line) and _CLAUSE_OVER.match(around.after)
    plain += 3 * (alone is not None or bool(listed) or told is not None)
    plain += 3 * (quantity.unit == "minutes" and TIME_TO_SPEAK.match(around.after) is not None)
    plain += 3 * is_total(around) + 8 * (_COMMAND.search(around.before) is not None)
    return plain - 9 * around.pasted - 3 * around.far


def is_total(around: Surroundings) -> bool:
    """Whether an amount is called the whole, all, the total."""
    return bool(_TOTAL.search(around.clause) or _TOTAL_AFTER.match(around.after))
