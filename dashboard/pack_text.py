"""Text that a person or a file may have typed, so that all of it is seen and none of it acts."""

from __future__ import annotations

import unicodedata

LONGEST = 2000  # characters of one text: what the form for a decision takes
_HIDDEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}  # Unicode categories without a shape, or that turn what follows


def visible(text: object, *, longest: int = LONGEST) -> str:
    """A text with its hidden characters spelt out, so that nothing is read backwards or not at all; lines stay.

    >>> visible("fine"), visible("a\\u202eb\\0"), visible("x" * 9, longest=4)
    ('fine', 'a⟨U+202E⟩b⟨U+0000⟩', 'xxxx… (5 characters more)')
    """
    whole = str(text)
    more = len(whole) - longest
    shown = whole if more <= 0 else f"{whole[:longest]}… ({more:,} characters more)"
    if shown.isprintable():
        return shown
    return "".join(_spelt(each) for each in shown.replace("\r\n", "\n"))


def _spelt(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in _HIDDEN:
        return character
    return f"⟨U+{ord(character):04X}⟩"
