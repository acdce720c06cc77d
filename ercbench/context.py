"""The context protocol: what of a dialogue an example may show. It is part of the task, like the data set.

``past`` shows earlier turns, ``full`` later ones too, ``none`` neither. It is chosen with ``--context``, never by a
recipe; ``data.examples`` enforces it, the record says it, and boards keep the protocols apart. Part of ``config.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import Field, JsonValue

from ercbench.errors import BadSetting, UnknownName
from ercbench.specs import ClassifierSpec, EncoderSpec, RendererSpec, Settings, Values
from ercbench.types import CONTEXT_PROTOCOLS, ContextProtocol
from ercbench.window import Window

LATER_TURNS = 8
"""Turns after the target that ``full`` shows, unless a recipe or track says otherwise."""

PROTOCOL = "context.protocol"
CLOSED: Mapping[ContextProtocol, tuple[str, ...]] = {
    "past": ("context.future",),
    "full": (),
    "none": ("context.past", "context.future"),
}
"""What a protocol does not allow: these are 0 under it."""


class Context(Settings):
    """What of the dialogue an example may show, as it comes to after the protocol.

    Attributes:
        protocol: ``past`` shows earlier turns, ``full`` later ones too, ``none`` neither.
        past: earlier turns at most, or ``all``.
        future: later turns at most, or ``all``.
    """

    protocol: ContextProtocol = Field(
        "past", description="past: earlier turns; full: later turns too; none: neither; chosen with --context"
    )
    past: Window = Field(8, description="earlier turns, or all; 0 under none")
    future: Window = Field(0, description=f"later turns, or all; 0 unless under full, then {LATER_TURNS}")


def apply_protocol(protocol: ContextProtocol, values: Values, origins: dict[str, str]) -> list[BadSetting]:
    """Lay a protocol over the merged values of a run, in place.

    What the protocol closes is 0, whatever the track or a recipe says. A value that names another protocol, and turns
    asked for with ``--set`` that it does not allow, would be without effect: they are errors, and returned.

    Raises:
        UnknownName: there is no such protocol.
    """
    if protocol not in CONTEXT_PROTOCOLS:
        raise UnknownName("context protocol", protocol, CONTEXT_PROTOCOLS)
    fixed: dict[str, JsonValue] = {PROTOCOL: protocol, **dict.fromkeys(CLOSED[protocol], 0)}
    errors = []
    for path, value in fixed.items():
        got, by = values.get(path, value), origins.get(path)
        if got != value and (path == PROTOCOL or by == "--set"):
            errors.append(
                BadSetting(
                    f"{path} must be {value!r} under the context protocol {protocol}. Got {got!r}, set by: {by}. "
                    "The protocol is part of the task; choose it with --context."
                )
            )
        if got != value or by is None:
            values[path], origins[path] = value, _origin(protocol)
    if protocol == "full" and "context.future" not in values:
        values["context.future"], origins["context.future"] = LATER_TURNS, _origin(protocol)
    return errors


def _origin(protocol: ContextProtocol) -> str:
    return "default" if protocol == Context().protocol else "--context"


def shows_no_later_turns(
    path: str, spec: RendererSpec | EncoderSpec, known: Iterable[RendererSpec | EncoderSpec]
) -> BadSetting:
    """What to say of a renderer or encoder under ``full`` that would make it past only, without a word.

    Args:
        path: what names it, such as ``renderer.name``.
        spec: the part.
        known: all of its kind.
    """
    able = sorted(other.name for other in known if other.later_turns)
    return BadSetting(
        f"{path}: {spec.name!r} does not show later turns, and the context protocol full is about them. "
        f"Those that do: {', '.join(able) or 'none'}. Choose one of them, or another --context."
    )


def reads_dialogues(path: str, spec: ClassifierSpec, values: Values, origins: Mapping[str, str]) -> list[BadSetting]:
    """What to say of a classifier that reads whole dialogues where the protocol or a number of turns has none of that.

    Args:
        path: what names it, such as ``classifier.name``.
        spec: the classifier.
        values: of the run, after the protocol.
        origins: of these values.
    """
    protocol = values[PROTOCOL]
    if not spec.dialogues:
        return []
    if protocol == "none":
        return [
            BadSetting(
                f"{path}: {spec.name!r} reads the other utterances of a dialogue, and the context protocol none allows "
                "no others. Choose another classifier, or another --context."
            )
        ]
    sides = {"past": ("context.past",), "full": ("context.past", "context.future")}[str(protocol)]
    return [
        BadSetting(
            f"{side} must be 'all' with {path}={spec.name}, which reads the whole dialogue: the record says how many "
            f"turns were read. Got {values.get(side, getattr(Context(), side.partition('.')[2]))!r}, set by: "
            f"{origins.get(side, 'default')}. Set it: --set {side}=all, or in the recipe's values for this track."
        )
        for side in sides
        if values.get(side) != "all"
    ]
