"""Short texts by which a tokenizer is measured: tokens a word, by language. They ask for nothing.

Headings, figures, quotations and lists are in them, as in what is written for people.
"""

from planner.words import Language

SAMPLES: dict[Language, str] = {
    "en": (
        "# The Ferry at Low Water\n\n"
        "The ferry left at ten past six, or a little later when the river was low and Mr. Aldous "
        "had to feel his way along the western bank. Nobody complained; there were only eleven "
        "passengers in winter, and most of them had known him since they were children.\n\n"
        '"You could set a clock by the fog," he used to say, "but not by me."\n\n'
        "## What changed\n\n"
        "In 1987 the county built a bridge, four kilometres upstream, and within eighteen months "
        "the crossing had lost two thirds of its traffic. Three proposals were discussed:\n\n"
        "- close the service and sell the boat;\n"
        "- keep it for visitors, from May to September;\n"
        "- let the villages run it themselves, with a small subsidy.\n\n"
        "They chose the third. It wasn't the cheapest answer, nor the most sensible one, yet it "
        "has lasted: the boat still carries schoolchildren, bicycles, an occasional goat, and, on "
        "the first Sunday of every month, a brass band that plays badly and is loved for it."
    ),
    "zh": (
        "# 枯水期的渡船\n\n"
        "渡船每天六点十分开，遇上河水浅的时候，老周得贴着西岸慢慢摸过去，就要晚一些。没有人抱怨，"
        "冬天的乘客只有十一个人，大多从小就认识他。\n\n"
        "“雾是准时的，”他常说，“我可不是。”\n\n"
        "## 后来的变化\n\n"
        "1987年，县里在上游四公里处修了一座桥，不到一年半，渡口的客流就少了三分之二。"
        "当时讨论过三个方案：\n\n"
        "- 停航，把船卖掉；\n"
        "- 只在五月到九月间接待游客；\n"
        "- 由几个村子自己经营，再补贴一点经费。\n\n"
        "大家选了第三个。这不是最省钱的办法，也未必最合理，却一直坚持了下来：如今这条船仍然载着学生、"
        "自行车，偶尔还有一只山羊；每个月的第一个星期天，还有一支吹得不怎么好、却人人喜欢的铜管乐队。"
    ),
}
