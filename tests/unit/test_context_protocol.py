"""The context protocol: what an example may show, that nothing else gets through, and that it is the task's to say."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from ercbench_eacl.encoder import EaclEncoder
from ercbench_eacl.rendering import EaclRenderer
from ercbench_eacl.settings import EncoderSettings, RendererSettings, SharedEncoderSettings
from ercbench_eacl.shared import DialogueSharedEncoder, Question
from hypothesis import given
from hypothesis import strategies as st

from ercbench import data
from ercbench.catalog import Catalog, Entry, Plugin, load_catalog
from ercbench.checkpoints import locate
from ercbench.cli import cli
from ercbench.config import Config, resolve
from ercbench.conversations import Turn
from ercbench.devices import Device
from ercbench.errors import BadSetting, PluginError, Problems, UnknownName, UsageError
from ercbench.inference import Predictor, _examples
from ercbench.own import of_corpus
from ercbench.provenance import command
from ercbench.records import record_path
from ercbench.report.overview import _context
from ercbench.specs import (
    ClassifierSpec,
    DatasetSpec,
    EncoderSpec,
    LossSpec,
    Recipe,
    RendererSpec,
    TrackSpec,
)
from ercbench.types import (
    CONTEXT_PROTOCOLS,
    MASK,
    ContextProtocol,
    Corpus,
    Dialogue,
    Example,
    LabelSet,
    Prompt,
    Tokens,
    Utterance,
)

LABELS = LabelSet.of({"glad": "joyful", "grim": "grim"})
CATALOG = load_catalog()
Turns = Sequence[tuple[str, str, str | None]]
TALK: Turns = [("Ada", "Tea?", "glad"), ("Bob", "No.", "grim"), ("Ada", "Oh.", "grim"), ("Cy", "Me.", "glad")]


def corpus(*dialogues: Turns) -> Corpus:
    """A corpus whose test split holds these dialogues; a turn is speaker, text and label."""
    talk = tuple(
        Dialogue(str(d), tuple(Utterance(f"toy/test/{d}/{t}", t, *turn) for t, turn in enumerate(turns)))
        for d, turns in enumerate(dialogues)
    )
    return Corpus("toy", "1", "sha256:0", LABELS, (), (), talk)


def examples(*dialogues: Turns, protocol: ContextProtocol = "past", past: Any = 3, future: Any = 3) -> list[Example]:
    """The examples of these dialogues."""
    return data.examples(corpus(*dialogues), "test", past, protocol, future)


# --------------------------------------------------------------------------------------------- what an example may show

TURN = st.tuples(
    st.sampled_from(["Ada", "Bob", "Cy"]),
    st.lists(st.sampled_from(["tea", "no", MASK, "<mask>", "well", "?"]), min_size=1, max_size=4).map(" ".join),
    st.sampled_from([None, "glad", "grim"]),
)
DIALOGUE = st.lists(TURN, min_size=1, max_size=9)


def slow(turns: Turns, protocol: str, past: int, future: int) -> list[tuple[int, list[int], list[int], list[str]]]:
    """Target, earlier turns, later turns and speakers of each example, as the definition reads."""
    found = []
    for t, (speaker, _, label) in enumerate(turns):
        if label is None:
            continue
        before = [i for i in range(len(turns)) if 0 < t - i <= past and protocol != "none"]
        after = [i for i in range(len(turns)) if 0 < i - t <= future and protocol == "full"]
        heard = [turns[i][0] for i in range(len(turns)) if i <= max([t, *after])]
        found.append((t, before, after, [speaker] if protocol == "none" else list(dict.fromkeys(heard))))
    return found


@given(DIALOGUE, st.sampled_from(CONTEXT_PROTOCOLS), st.integers(0, 4), st.integers(0, 4))
def test_examples_agree_with_a_slow_reading_of_the_protocol(
    turns: Turns, protocol: ContextProtocol, past: int, future: int
) -> None:
    """Whatever numbers are asked for: no later turn unless under ``full``, nothing but the target under ``none``."""
    found = [
        (e.target.turn, [u.turn for u in e.past], [u.turn for u in e.future], list(e.speakers))
        for e in examples(turns, protocol=protocol, past=past, future=future)
    ]
    assert found == slow(turns, protocol, past, future)


def test_no_utterance_of_an_example_carries_a_label_in_either_direction() -> None:
    """Later turns have lost their labels as earlier ones have."""
    for example in examples(TALK, protocol="full"):
        assert {u.label for u in (example.target, *example.past, *example.future)} == {None}


def test_predictions_show_what_examples_show() -> None:
    """`ercbench predict` gives each turn the context that the loader gave it in training."""
    turns = [Turn("0", speaker, text) for speaker, text, _ in TALK]
    for protocol in ("past", "none"):
        loaded = examples(TALK, protocol=protocol, past=2)  # type: ignore[arg-type]
        streamed = [example for _, example in _examples(turns, 2, protocol)]  # type: ignore[arg-type]
        assert [(e.target.text, [u.text for u in e.past], e.future, e.speakers) for e in streamed] == [
            (e.target.text, [u.text for u in e.past], e.future, e.speakers) for e in loaded
        ]


# ------------------------------------------------------------------------------------------------- nothing gets through

RENDERERS = [EaclRenderer(RendererSettings(speaker=how)) for how in ("as-is", "first-word", "by-appearance")]  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def encoders(tiny_checkpoint: Callable[[str], Path]) -> list[EaclEncoder]:
    """Both encoders, with budgets that long dialogues exceed."""
    checkpoint = locate(str(tiny_checkpoint("roberta")), ())
    return [
        EaclEncoder(EncoderSettings(max_tokens=64), LABELS, checkpoint),
        DialogueSharedEncoder(SharedEncoderSettings(max_tokens=64, stretch_tokens=96), LABELS, checkpoint),
    ]


def seen(token: Tokens) -> tuple[Any, ...]:
    """All that is read of a prompt; of a question about a shared dialogue, the turns that it may attend to as well."""
    window: tuple[Any, ...] = ()
    if isinstance(token, Question):
        window = tuple(token.stretch.turns[number] for number in range(token.first, token.turn))
    return token.input_ids, token.position, window


def everything(
    turns: Turns, protocol: ContextProtocol, encoders: Sequence[EaclEncoder]
) -> dict[int, tuple[list[Prompt], list[Any]]]:
    """By target: the prompts of all renderers, and what all encoders read of them."""
    found: dict[int, tuple[list[Prompt], list[Any]]] = {}
    for renderer in RENDERERS:
        prompts = [renderer.render(example) for example in examples(turns, protocol=protocol)]
        able = [e for e in encoders if protocol != "full" or not isinstance(e, DialogueSharedEncoder)]
        tokens = [encoder.tokenize(prompts) if prompts else [] for encoder in able]
        for number, prompt in enumerate(prompts):
            mine = found.setdefault(int(prompt.uid.rpartition("/")[2]), ([], []))
            mine[0].append(prompt)
            mine[1].extend(seen(of[number]) for of in tokens)
    return found


@given(DIALOGUE, DIALOGUE, st.sampled_from(["past", "none"]), st.data())
def test_later_turns_change_nothing_that_came_before(
    encoders: list[EaclEncoder], turns: Turns, others: Turns, protocol: ContextProtocol, drawn: st.DataObject
) -> None:
    """Under ``past`` and ``none``: other words, other speakers, more or fewer turns after a target change nothing."""
    cut = drawn.draw(st.integers(1, len(turns)))
    one = everything(turns, protocol, encoders)
    other = everything([*turns[:cut], *others], protocol, encoders)
    for turn in (turn for turn in one if turn < cut):
        assert one[turn] == other[turn]


@given(DIALOGUE, DIALOGUE, st.data())
def test_without_context_no_other_turn_changes_anything(
    encoders: list[EaclEncoder], turns: Turns, others: Turns, drawn: st.DataObject
) -> None:
    """Under ``none``: whatever was said around a target, and by whom, its tokens are the same."""
    turn = drawn.draw(st.integers(0, len(turns) - 1))
    around = [*(others * 9)[:turn], turns[turn], *others]
    one, other = everything(turns, "none", encoders), everything(around, "none", encoders)
    assert one.get(turn) == other.get(turn)


@given(DIALOGUE, st.sampled_from(CONTEXT_PROTOCOLS), st.data())
def test_labels_change_nothing(
    encoders: list[EaclEncoder], turns: Turns, protocol: ContextProtocol, drawn: st.DataObject
) -> None:
    """Under every protocol: other labels, and labels taken off other turns, change no token of a target."""
    labels = drawn.draw(st.lists(st.sampled_from([None, "glad", "grim"]), min_size=len(turns), max_size=len(turns)))
    other_turns = [(speaker, text, label) for (speaker, text, _), label in zip(turns, labels, strict=True)]
    one, other = everything(turns, protocol, encoders), everything(other_turns, protocol, encoders)
    for turn in one.keys() & other.keys():
        assert one[turn] == other[turn]


def test_these_checks_see_a_later_turn(encoders: list[EaclEncoder]) -> None:
    """Under ``full`` another later turn does change prompt and tokens: the checks above can fail."""
    other = [*TALK[:3], ("Cy", "Rain.", "glad")]
    one, two = everything(TALK, "full", encoders), everything(other, "full", encoders)
    for turn in range(3):
        assert one[turn][0] != two[turn][0]
        assert one[turn][1] != two[turn][1]


# ----------------------------------------------------------------------------------------------- later turns under full


def test_the_prompt_of_eacl_shows_later_turns_after_the_question() -> None:
    """One segment per later turn; the query is where it was; everybody shown has a name."""
    prompt = RENDERERS[0].render(examples(TALK, protocol="full")[1])
    assert prompt.segments == (
        "Ada says: Tea?", f"For utterance: No. Bob feels {MASK} ", "Ada says: Oh.", "Cy says: Me.",
    )  # fmt: skip
    assert prompt.query == 1
    shown = RENDERERS[2].render(examples(TALK, protocol="full")[0]).segments
    assert [segment.split(" says")[0] for segment in shown[1:]] == ["Weldon", "Roy", "Speaker 3"]


def test_the_query_stands_and_later_turns_take_what_is_left(encoders: list[EaclEncoder]) -> None:
    """Up to the question the tokens are those without later turns; whole later turns follow, nearest first."""
    encoder = encoders[0]
    query = f"d {MASK} "
    [bare] = encoder.tokenize([Prompt("u", ("ab", query), 1, "x")])
    left = encoder.settings.max_tokens - len(bare.input_ids)
    turns = ("e" * (left // 2 - 1), "f" * (left - left // 2 - 1), "g")
    [full] = encoder.tokenize([Prompt("u", ("ab", query, *turns), 1, "x")])
    assert full.input_ids[: len(bare.input_ids)] == bare.input_ids
    assert full.position == bare.position
    text = "".join(encoder.tokenizer.convert_ids_to_tokens(list(full.input_ids)))
    assert text.endswith(f"<mask></s>{turns[0]}</s>{turns[1]}</s>")
    assert len(full.input_ids) == encoder.settings.max_tokens
    [less] = encoder.tokenize([Prompt("u", ("ab", query, turns[0], turns[1] + "ff", "g"), 1, "x")])
    assert "".join(encoder.tokenizer.convert_ids_to_tokens(list(less.input_ids))).endswith(f"<mask></s>{turns[0]}</s>")


@given(DIALOGUE)
def test_later_text_cannot_move_the_position(encoders: list[EaclEncoder], turns: Turns) -> None:
    """Also where a later speaker says the mask's own text, the query's mask is read, and the budget is kept."""
    shown = [RENDERERS[0].render(example) for example in examples(turns, protocol="full")]
    plain = [RENDERERS[0].render(example) for example in examples(turns, protocol="past")]
    both = [encoders[0].tokenize(prompts) if prompts else [] for prompts in (shown, plain)]
    for full, past in zip(*both, strict=True):
        assert full.position == past.position
        assert full.input_ids[full.position] == encoders[0].mask_id
        assert full.input_ids[: len(past.input_ids)] == past.input_ids
        assert len(full.input_ids) <= encoders[0].settings.max_tokens


def test_shared_context_refuses_a_prompt_with_later_turns(encoders: list[EaclEncoder]) -> None:
    """It would leave them out without a word."""
    prompts = [RENDERERS[0].render(example) for example in examples(TALK, protocol="full")]
    with pytest.raises(PluginError, match=r"cannot show later turns.*toy/test/0/0.*encoder\.name=eacl"):
        encoders[1].tokenize(prompts)


# ------------------------------------------------------------------------------------------- the task's, not a recipe's


def resolved(context: str = "past", recipe: str = "eacl", catalog: Catalog = CATALOG, **overrides: Any) -> Config:
    """A shipped recipe on MELD's sample; in the names of overrides ``__`` stands for a dot."""
    given = {path.replace("__", "."): value for path, value in overrides.items()}
    return resolve(catalog, recipe, "mini", "meld-sample", given, context)  # type: ignore[arg-type]


@pytest.mark.parametrize(("context", "past", "future"), [("past", 8, 0), ("full", 8, 8), ("none", 0, 0)])
def test_values_are_what_the_protocol_leaves_of_them(context: str, past: int, future: int) -> None:
    """The track's eight earlier turns under ``past``; as many later ones under ``full``; neither under ``none``."""
    config = resolved(context)
    assert (config.context.protocol, config.context.past, config.context.future) == (context, past, future)
    shown = {path: value for path, value in config.values.items() if path.startswith("context.")}
    assert shown == {"context.protocol": context, "context.past": past, "context.future": future}
    assert config.origins["context.protocol"] == ("default" if context == "past" else "--context")
    assert config.origins["context.past"] == ("--context" if context == "none" else "track mini")
    assert config.overrides == {}


def test_the_windows_can_be_set_where_the_protocol_has_them() -> None:
    """Under ``full`` both numbers are the user's to change."""
    config = resolved("full", context__past=2, context__future=5)
    assert (config.context.past, config.context.future) == (2, 5)


@pytest.mark.parametrize(
    ("context", "path", "value"),
    [("past", "context.future", 2), ("none", "context.future", 2), ("none", "context.past", 4),
     ("past", "context.protocol", "full"), ("full", "context.protocol", "past")],
)  # fmt: skip
def test_what_would_be_without_effect_is_refused(context: str, path: str, value: Any) -> None:
    """Turns that the protocol does not allow, and a protocol set as a value: the message names the option."""
    with pytest.raises(BadSetting) as caught:
        resolve(CATALOG, "eacl", "mini", "meld-sample", {path: value}, context)  # type: ignore[arg-type]
    message = str(caught.value)
    assert message.startswith(f"{path} must be ")
    assert f"under the context protocol {context}. Got {value!r}, set by: --set." in message
    assert "--context" in message


PAINTER = Plugin("painter", "1.0", "painter", "painter")


def catalog_with(*specs: Any) -> Catalog:
    """Everything that is shipped, and these specs of another plugin."""
    kinds = (RendererSpec, EncoderSpec, LossSpec, ClassifierSpec, Recipe, DatasetSpec, TrackSpec)
    shipped = [entry for kind in kinds for entry in CATALOG.entries(kind)]
    return Catalog([PAINTER], [*shipped, *(Entry(PAINTER, spec) for spec in specs)])


def recipe(**values: Any) -> Recipe:
    """EACL with other values."""
    given = {path.replace("__", "."): value for path, value in values.items()}
    return Recipe(name="painted", summary="", version="1", reference="", base="eacl", values=given)


def test_a_recipe_cannot_choose_the_protocol() -> None:
    """Its numbers would be those of another task than asked for."""
    catalog = catalog_with(recipe(context__protocol="full", context__future=3))
    with pytest.raises(BadSetting, match=r"context\.protocol must be 'past'.*set by: recipe painted"):
        resolved("past", "painted", catalog)
    assert resolved("full", "painted", catalog).context.future == 3


def test_a_recipe_may_say_how_many_later_turns_it_would_show() -> None:
    """The number counts under ``full`` and is no error elsewhere."""
    catalog = catalog_with(recipe(context__future=3))
    assert resolved("full", "painted", catalog).context.future == 3
    assert resolved("past", "painted", catalog).context.future == 0


def test_parts_that_show_no_later_turns_are_refused_under_full() -> None:
    """Not a silent past-only run: renderer and encoder are named, with those that do, both at once."""
    plain = RendererSpec(name="plain", summary="", target="painter:Plain")  # which has no renderer.replace, moreover
    catalog = catalog_with(plain, recipe(renderer__name="plain", encoder__name="dialogue-shared"))
    with pytest.raises(Problems) as caught:
        resolved("full", "painted", catalog)
    text = str(caught.value)
    assert "renderer.name: 'plain' does not show later turns" in text
    assert "encoder.name: 'dialogue-shared' does not show later turns" in text
    assert "Those that do: eacl, turns." in text
    assert text.count("Those that do: eacl") == 2
    assert "renderer.replace is no setting" in text
    for context in ("past", "none"):
        resolved(context, "eacl-shared")
    with pytest.raises(BadSetting, match="dialogue-shared"):
        resolved("full", "eacl-shared")


# ------------------------------------------------------------------------------------------------------ whole dialogues


def test_all_turns_are_as_many_as_there_are() -> None:
    """``all`` on either side is the whole dialogue, and no more than the protocol allows."""
    found = examples(TALK, past="all", protocol="full", future="all")
    wide = examples(TALK, past=99, protocol="full", future=99)
    assert found == wide
    assert [len(example.past) for example in found] == [example.target.turn for example in found]
    assert not any(example.future for example in examples(TALK, past="all", future="all"))
    assert not any(example.past for example in examples(TALK, past="all", protocol="none"))


READERS = ("bilstm-frozen", "dialogue-rnn", "dag-erc", "dag-erc-finetuned")


@pytest.mark.parametrize("track", ["mini", "full"])
@pytest.mark.parametrize("name", READERS)
def test_who_reads_whole_dialogues_says_so(name: str, track: str) -> None:
    """All earlier turns under ``past``, all later ones too under ``full``, although their renderer shows none."""
    for context, future in (("past", 0), ("full", "all")):
        config = resolve(CATALOG, name, track, "meld", {}, context)  # type: ignore[arg-type]
        assert (config.context.past, config.context.future) == ("all", future)
        assert config.values["renderer.name"] == "utterance"


@pytest.mark.parametrize("name", READERS)
def test_who_reads_whole_dialogues_is_refused_without_any(name: str) -> None:
    """Under ``none``, before anything is trained, by name."""
    with pytest.raises(BadSetting, match=r"classifier\.name: '.*' reads the other utterances.*another --context"):
        resolved("none", name)


def test_a_number_of_turns_that_was_not_read_is_refused() -> None:
    """A classifier that reads the whole dialogue beside a window of 8: path, value and origin are told."""
    with pytest.raises(BadSetting, match=r"context\.past must be 'all' with classifier\.name=bilstm.*Got 8, set by"):
        resolved("past", "frozen-lr", classifier=None, classifier__name="bilstm")
    with pytest.raises(BadSetting, match=r"context\.past must be 'all'.*Got 3, set by: --set"):
        resolved("past", "bilstm-frozen", context__past=3)
    with pytest.raises(BadSetting, match=r"context\.future must be 'all'.*Got 2, set by: --set"):
        resolved("full", "bilstm-frozen", context__future=2)
    values = {"classifier": None, "classifier__name": "bilstm", "context__past": "all"}
    assert resolved("past", "frozen-lr", **values).context.past == "all"
    with pytest.raises(BadSetting, match=r"context\.future must be 'all'.*Got 8, set by: --context"):
        resolved("full", "frozen-lr", **values)
    part = ClassifierSpec(name="ready", summary="", target="painter:Ready", needs_training=False, dialogues=True)
    with pytest.raises(BadSetting, match=r"context\.past must be 'all' with selection\.classifier=ready"):
        resolved("past", "painted", catalog_with(part, recipe(selection__classifier="ready")))


def test_a_report_tells_how_many_turns_were_seen() -> None:
    """A number of them, or all."""
    told = {
        ("past", 1, 0): "1 earlier turn", ("past", 8, 0): "8 earlier turns", ("past", "all", 0): "all earlier turns",
        ("full", 8, 1): "8 earlier and 1 later turn", ("full", "all", "all"): "all earlier and all later turns",
        ("none", 0, 0): "no other turns",
    }  # fmt: skip
    for (context, past, future), words in told.items():
        protocol = SimpleNamespace(context=context, context_past=past, context_future=future)
        assert _context(SimpleNamespace(protocol=protocol)) == words  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["al", -1, 2.5, True, None])
def test_turns_are_a_number_or_all(value: Any) -> None:
    """Anything else is refused once, with both possibilities."""
    with pytest.raises(BadSetting, match=r"context\.past: Input should be .* or equal to 0, or 'all'\. Got"):
        resolved("past", context__past=value)


def test_an_unknown_protocol_suggests_a_near_one() -> None:
    """From Python too, where no option parser stands before it."""
    with pytest.raises(UnknownName, match=r"Unknown context protocol\. Got 'ful'\. Did you mean full\?"):
        resolved("ful")


def test_all_problems_of_a_protocol_come_at_once(tmp_path: Path) -> None:
    """`--dry-run` with an encoder that cannot and a bad value reports both, and writes nothing."""
    arguments = ["run", "eacl-shared", "eacl", "--dataset", "meld-sample", "--track", "mini", "--context", "full"]
    arguments += ["--set", "training.epochs=-1", "--dry-run", "--results", str(tmp_path / "r")]
    found = CliRunner().invoke(cli, arguments)
    assert isinstance(found.exception, Problems)
    assert "dialogue-shared" in str(found.exception)
    assert "training.epochs" in str(found.exception)
    assert not (tmp_path / "r").exists()


# ----------------------------------------------------------------------------------------------- path, command, predict


def test_records_of_two_protocols_never_lie_in_one_place() -> None:
    """``past`` keeps the place it always had; no track can be called what the others are."""
    paths = {c: record_path(Path("r"), "talk", "mini", "m@1", 0, c) for c in CONTEXT_PROTOCOLS}
    assert paths["past"] == record_path(Path("r"), "talk", "mini", "m@1", 0)
    assert paths["past"].as_posix() == "r/records/talk/mini/m@1/seed-0.json"
    assert paths["full"].as_posix() == "r/records/talk/mini+context-full/m@1/seed-0.json"
    assert paths["none"].as_posix() == "r/records/talk/mini+context-none/m@1/seed-0.json"
    with pytest.raises(ValueError, match="pattern"):
        TrackSpec(name="mini+context-full", summary="", values={})


@pytest.mark.parametrize("context", CONTEXT_PROTOCOLS)
def test_the_recorded_command_makes_the_same_task_again(context: ContextProtocol) -> None:
    """``--context`` stands in the command where it is not the default, and never as ``--set``."""
    line = command(resolved(context), 3, None)
    assert ("--context" in line) is (context != "past")
    assert "--set" not in line
    assert line.endswith("--seed 3" if context == "past" else f"--seed 3 --context {context}")


@pytest.mark.parametrize("context", CONTEXT_PROTOCOLS)
def test_the_recorded_call_makes_the_same_task_again(context: ContextProtocol) -> None:
    """Of a corpus in memory the record tells a call in Python, which names the protocol where it is not the default."""
    config = resolve(load_catalog(), "eacl", "mini", of_corpus(corpus([("Ann", "Oh.", "joy")])), {}, context)
    line = command(config, 3, None)
    assert ("context=" in line) is (context != "past")
    assert context == "past" or f"seeds=[3], context={context!r})  # Python" in line


@pytest.mark.parametrize("name", ["run", "show", "trace"])
def test_the_option_takes_the_three_protocols(name: str) -> None:
    """A misspelt protocol is refused with those that there are."""
    more = ["--dataset", "meld-sample", "--utterance", "meld-sample/test/0/0"] if name == "trace" else []
    found = CliRunner().invoke(cli, [name, "eacl", *more, "--context", "futur"])
    assert found.exit_code == 2
    assert "'past', 'full', 'none'" in found.output


def test_show_and_trace_show_the_protocol() -> None:
    """What a protocol comes to can be seen before a run: the values, and one utterance with its later turns."""
    shown = CliRunner().invoke(cli, ["show", "eacl", "--track", "mini", "--context", "none", "--json"])
    assert json.loads(shown.output)["values"]["context.past"] == {"value": 0, "from": "--context"}
    arguments = ["trace", "eacl", "--dataset", "meld-sample", "--track", "mini", "--utterance", "meld-sample/test/1/1"]
    for context, past, future in (("full", 1, 7), ("past", 1, None), ("none", 0, None)):
        traced = CliRunner().invoke(cli, [*arguments, "--until", "rendering", "--json", "--context", context])
        stages = json.loads(traced.output)
        assert len(stages["data"]["past"]) == past
        assert len(stages["data"].get("future", ())) == (future or 0)
        assert stages["rendering"]["query"] == past


def test_a_model_of_the_full_protocol_refuses_a_stream() -> None:
    """Turns are predicted as they come; a model that was trained with later ones would get another input, silently."""
    trained = SimpleNamespace(config=resolved("full"))
    with pytest.raises(UsageError, match="trained with later turns in view"):
        Predictor(trained, Device("cpu", "fp32"))  # type: ignore[arg-type]
