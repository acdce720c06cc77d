"""A number of turns as it is given: a whole number, or ``all``. One message for whatever is neither."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from ercbench.types import Turns


def _turns(given: object) -> object:
    if given == "all" or (type(given) is int and given >= 0):
        return given
    raise PydanticCustomError("turns", "Input should be a whole number greater than or equal to 0, or 'all'")


Window = Annotated[Turns, BeforeValidator(_turns)]
"""`types.Turns`, checked: how many turns on one side of an utterance may be looked at."""
