"""Whether JSON that cannot be read was cut off, or is wrong: Go's decoder tells the two apart."""

import re
from collections.abc import Callable
from typing import Any, Final

_BLANK: Final = re.compile(r"[ \t\r\n]*")
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORDS: Final = ("true", "false", "null")
_WORD: Final = re.compile("|".join(_WORDS))

#: What a string, or a number, may look like when the text ends in the middle of it.
_STRING_BEGUN: Final = re.compile(
    r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*(?:\\(?:u[0-9a-fA-F]{0,3})?)?'
)
_NUMBER_BEGUN: Final = re.compile(r"-|-?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:(?<=[0-9])[eE][+-]?)?")


def is_cut_off(text: str) -> bool:
    """Whether `text`, which holds no whole JSON value, is the beginning of one."""
    try:
        _Scan(text).run()
    except _CutOff:
        return True
    except _Wrong:
        return False
    return False


class _CutOff(Exception):
    """The text ends where more would have to come."""


class _Wrong(Exception):
    """No text that begins like this is JSON."""


class _Scan:
    """Reads a value token by token; what may come next is a method."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._pos = 0
        self._open: list[str] = []

    def run(self) -> None:
        """Read the value. Raises `_CutOff` and `_Wrong`."""
        turn: _Turn | None = self._value
        while turn is not None:
            found = _BLANK.match(self._text, self._pos)
            self._pos = found.end() if found else self._pos
            if self._pos == len(self._text):
                raise _CutOff
            turn = turn(self._text[self._pos])

    def _value(self, char: str) -> "_Turn | None":
        if char in "{[":
            self._open.append(char)
            self._pos += 1
            return self._first_key if char == "{" else self._first_item
        if char == '"':
            self._string()
        elif char in "-0123456789":
            self._number()
        else:
            self._word()
        return self._more if self._open else None

    def _first_item(self, char: str) -> "_Turn | None":
        return self._close() if char == "]" else self._value(char)

    def _first_key(self, char: str) -> "_Turn | None":
        return self._close() if char == "}" else self._key(char)

    def _key(self, char: str) -> "_Turn | None":
        if char != '"':
            raise _Wrong
        self._string()
        return self._colon

    def _colon(self, char: str) -> "_Turn | None":
        return self._past(char, ":", self._value)

    def _more(self, char: str) -> "_Turn | None":
        is_object = self._open[-1] == "{"
        if char == ("}" if is_object else "]"):
            return self._close()
        return self._past(char, ",", self._key if is_object else self._value)

    def _past(self, char: str, wanted: str, then: "_Turn") -> "_Turn":
        if char != wanted:
            raise _Wrong
        self._pos += 1
        return then

    def _close(self) -> "_Turn | None":
        self._open.pop()
        self._pos += 1
        return self._more if self._open else None

    def _string(self) -> None:
        self._token(_STRING, _STRING_BEGUN)

    def _number(self) -> None:
        if _NUMBER_BEGUN.fullmatch(self._text, self._pos):
            raise _CutOff  # it may go on, even if it is one
        self._token(_NUMBER, _NUMBER_BEGUN)

    def _word(self) -> None:
        rest = self._text[self._pos : self._pos + 5]
        if any(word.startswith(rest) for word in _WORDS if len(rest) < len(word)):
            raise _CutOff
        self._token(_WORD, _WORD)

    def _token(self, whole: re.Pattern[str], begun: re.Pattern[str]) -> None:
        found = whole.match(self._text, self._pos)
        if found is None:
            raise _CutOff if begun.fullmatch(self._text, self._pos) else _Wrong
        self._pos = found.end()


_Turn = Callable[[str], Any]
"""What reads one token, given its first character, and returns what may come next; None = the value is whole."""
