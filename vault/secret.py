"""A secret as a type: text that cannot be printed, logged, compared or stored by accident.

What Python cannot do is said in docs/vault-format.md: the text handed out by ``revealed`` is an
ordinary ``str``, whose memory nobody can wipe.
"""

import hmac
from contextlib import AbstractContextManager, nullcontext
from typing import Never, NoReturn, final


@final
class Secret:
    """A secret text. The only ways to its value are ``revealed`` and ``matches``."""

    __slots__ = ("__content",)

    def __init__(self, text: str) -> None:
        self.__content = bytearray(text, "utf-8")

    def revealed(self) -> AbstractContextManager[str]:
        """Lend the text for the length of a ``with`` block; raises ``ValueError`` after ``wipe``."""
        if not self.__content:
            raise ValueError("this secret is empty or has been wiped")
        return nullcontext(self.__content.decode("utf-8"))

    def matches(self, candidate: str) -> bool:
        """Whether ``candidate`` is this secret, in time that does not depend on where they differ."""
        return hmac.compare_digest(self.__content, candidate.encode("utf-8"))

    def wipe(self) -> None:
        """Overwrite our copy. Copies that Python or a caller made of the revealed text live on."""
        self.__content[:] = bytes(len(self.__content))
        self.__content.clear()

    def __del__(self) -> None:
        self.wipe()

    # Debuggers, loggers and test runners call repr on everything, so it must answer; str and format
    # raise, because f"Bearer {secret}" is a mistake that must not reach the wire.
    def __repr__(self) -> str:
        return "<Secret>"

    def __str__(self) -> NoReturn:
        raise TypeError("a Secret has no text form; use revealed()")

    def __format__(self, _specification: str) -> NoReturn:
        raise TypeError("a Secret has no text form; use revealed()")

    def __eq__(self, _other: object) -> Never:
        raise TypeError("a Secret is not compared with ==; use matches()")

    __hash__ = None  # type: ignore[assignment]

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a Secret is neither pickled nor copied")
