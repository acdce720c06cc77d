"""Conversations without labels: rows become turns, and whatever else comes is told by its place."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ercbench.conversations import Turn, read_turns
from ercbench.errors import DataError
from ercbench.inference import REMEMBERED, _chunks, _examples


def turns(content: bytes, form: str = "jsonl") -> list[Turn]:
    """All turns of a file."""
    return list(read_turns(io.BytesIO(content), "talk", form))  # type: ignore[arg-type]


TEXT = st.text(min_size=1, max_size=20).filter(lambda text: text.strip() and "\0" not in text)


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=5))
def test_what_was_written_is_read(rows: list[tuple[str, str, str]]) -> None:
    """Any text survives JSONL."""
    content = "".join(json.dumps(dict(zip(("dialogue", "speaker", "text"), row, strict=True))) + "\n" for row in rows)
    assert [(turn.dialogue, turn.speaker, turn.text) for turn in turns(content.encode())] == rows


def test_csv_with_quotes_line_breaks_and_a_mark() -> None:
    """A quoted field may hold commas and line breaks; the byte-order mark and other columns are ignored."""
    content = '\ufeffid,speaker,text,dialogue\r\n7,Ann,"Well, ""tea""\nit is",a\r\n8,Bob,No,a\r\n'.encode()
    assert [(turn.text, turn.where) for turn in turns(content, "csv")] == [
        ('Well, "tea"\nit is', "talk, line 3"),
        ("No", "talk, line 4"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "line 1: not JSON"),
        (b"[" * 100_000, "line 1: not JSON"),
        (b"\n[]\n", "line 2: not a JSON object"),
        (b'{"dialogue": 1, "speaker": "a"}', "line 1, field text: is missing"),
        (b'{"dialogue": 1, "speaker": "a", "text": " "}', "line 1, field text: must be text that is not empty"),
        (b'{"dialogue": 1, "speaker": ["a"], "text": "x"}', r"line 1, field speaker: must be text.*Got \['a'\]"),
        (b'{"dialogue": true, "speaker": "a", "text": "x"}', "line 1, field dialogue: must be text"),
        (b'{"dialogue": 1, "speaker": "a", "text": "x\\u0000"}', "line 1, field text"),
        (b'{"dialogue": 1, "speaker": "a", "text": "caf\xe9"}', "line 1: not UTF-8.*iconv"),
    ],
)
def test_a_broken_line_is_told_by_its_place(content: bytes, message: str) -> None:
    """Where, what, and what was found there."""
    with pytest.raises(DataError, match=f"talk, {message}"):
        turns(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no column dialogue, speaker, text"),
        (b"dialogue,speaker\n1,a\n", "no column text"),
        (b"dialogue,speaker,text\n1,a\n", "line 2, field text: is missing"),
        (b'dialogue,speaker,text\n1,a,"x\n', "not CSV"),
    ],
)
def test_a_broken_table_is_told_by_its_place(content: bytes, message: str) -> None:
    """A table needs its three columns, whole rows and closed quotes."""
    with pytest.raises(DataError, match=message):
        turns(content, "csv")


@given(st.binary(max_size=200), st.sampled_from(["jsonl", "csv"]))
def test_any_bytes_give_turns_or_an_error_of_ours(content: bytes, form: str) -> None:
    """Never a traceback; what is read has its three fields."""
    with contextlib.suppress(DataError):
        assert all(
            turn.dialogue.strip() and turn.speaker.strip() and turn.text.strip() for turn in turns(content, form)
        )


def test_context_is_a_window_of_the_same_dialogue() -> None:
    """Earlier turns up to the protocol's number, none of another dialogue; speakers by first appearance."""
    talk = [Turn("a", "Ann", "1"), Turn("a", "Bob", "2"), Turn("a", "Ann", "3"), Turn("b", "Cy", "4")]
    found = [example for _, example in _examples(talk, 1)]
    assert [[turn.text for turn in example.past] for example in found] == [[], ["1"], ["2"], []]
    assert [example.speakers for example in found] == [("Ann",), ("Ann", "Bob"), ("Ann", "Bob"), ("Cy",)]
    assert len({example.target.uid for example in found}) == 4
    assert [example.target.turn for example in found] == [0, 1, 2, 0]


def test_a_dialogue_in_two_pieces_is_refused() -> None:
    """It would lose its context, silently."""
    with pytest.raises(DataError, match="row 3: a dialogue must be in one piece"):
        list(_examples([Turn("a", "x", "1"), Turn("b", "x", "2"), Turn("a", "x", "3", "row 3")], 8))


def test_memory_is_bounded() -> None:
    """No more than a chunk and one turn are drawn before an answer is given; ids are forgotten in the end."""
    drawn = 0

    def endless() -> Iterator[Turn]:
        nonlocal drawn
        for number in range(REMEMBERED + 20):
            drawn += 1
            yield Turn(str(number), "Ann", "Hello.")

    for number, (chunk, error) in enumerate(_chunks(_examples(endless(), 8), 16)):
        assert error is None
        assert drawn <= min(16 * (number + 1) + 1, REMEMBERED + 20)
        assert len(chunk) <= 16


@pytest.mark.parametrize(
    ("size", "lengths", "expected"),
    [(3, [2, 2, 5, 1], [4, 5, 1]), (2, [9], [8, 1]), (1, [2, 1], [1, 1, 1]), (4, [], [0])],
)
def test_a_dialogue_is_answered_in_one_piece(size: int, lengths: list[int], expected: list[int]) -> None:
    """A chunk ends with a dialogue, unless that is very long, or every turn is to be answered at once."""
    talk = [Turn(str(number), "Ann", "Hello.") for number, length in enumerate(lengths) for _ in range(length)]
    chunks = [chunk for chunk, _ in _chunks(_examples(iter(talk), 8), size)]
    assert [len(chunk) for chunk in chunks if chunk or not talk] == expected
    assert [turn for chunk in chunks for turn, _ in chunk] == talk
