"""Makes text of strangers storable, in Postgres and as UTF-8. Pure; what a screen shows of it is
`oee_cli.text`'s.
"""

from __future__ import annotations

import re

#: A NUL, which Postgres has no text with, and half of a surrogate pair, which JSON allows and UTF-8 does not.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def storable(text: str) -> str:
    """The text with a mark in the place of each character that can't be stored: one that is refused would
    fail whatever stands beside it."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)
