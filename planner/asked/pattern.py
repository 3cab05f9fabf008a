"""A pattern of this package: letters of either case. It must not know what it finds."""

import re


def pattern(source: str) -> re.Pattern[str]:
    return re.compile(source, re.IGNORECASE)
