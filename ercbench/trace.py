"""What one utterance becomes, stage by stage: the pipeline of ``runner.py`` for a single example, made visible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ercbench import data, rendering
from ercbench.catalog import Catalog, load_target
from ercbench.config import Config
from ercbench.context import Context
from ercbench.errors import UsageError
from ercbench.ports import Encoder
from ercbench.preparing import build_encoder
from ercbench.types import SPLITS, Corpus, Example, Split, Tokens, Utterance


def trace(catalog: Catalog, config: Config, uid: str, until: str, data_dir: Path | None) -> dict[str, Any]:
    """A uid -> what it is after each stage, as plain values.

    Args:
        catalog: where packaged checkpoints are looked up.
        config: the resolved recipe.
        uid: ``dataset/split/dialogue/turn``.
        until: the last stage wanted: data, rendering, encoding, representation or classifying.
        data_dir: folder with one folder per data set.

    Raises:
        UsageError: no labelled utterance has this uid.
    """
    stages: dict[str, Any] = {}
    corpus = data.load(config.dataset, data_dir)
    example = _find(corpus, uid, config.context)
    stages["data"] = _data(corpus, example, config.context)
    if until == "data":
        return stages
    renderer = load_target(config.renderer.spec.target)(config.renderer.settings)
    [prompt] = rendering.render(renderer, [example])
    stages["rendering"] = {"segments": list(prompt.segments), "query": prompt.query}
    if until == "rendering":
        return stages
    from ercbench.encoding import tokenize

    checkpoint, encoder = build_encoder(catalog, config, corpus.labels)
    [tokens] = tokenize(encoder, [prompt])
    stages["encoding"] = {
        "checkpoint": checkpoint.name if checkpoint else None,
        "tokens": len(tokens.input_ids),
        "position": tokens.position,
        "input_ids": list(tokens.input_ids),
    }
    if tokenizer := getattr(encoder, "tokenizer", None):
        stages["encoding"]["text"] = tokenizer.decode(tokens.input_ids)
    if until != "encoding":
        stages |= _with_weights(config, corpus, encoder, tokens, until)
    return stages


def _train_tokens(config: Config, corpus: Corpus, encoder: Encoder) -> list[Tokens]:
    """The training split up to encoding, for an encoder that is fitted to it."""
    from ercbench.encoding import tokenize

    renderer = load_target(config.renderer.spec.target)(config.renderer.settings)
    context = config.context
    examples = data.examples(corpus, "train", context.past, context.protocol, context.future)
    return tokenize(encoder, rendering.render(renderer, examples))


def _find(corpus: Corpus, uid: str, context: Context) -> Example:
    parts = uid.split("/")
    split: Split | None = next((split for split in SPLITS if len(parts) == 4 and parts[1] == split), None)
    if split is None or parts[0] != corpus.name:
        raise UsageError(
            f"A uid is dataset/split/dialogue/turn with positions from 0. Got {uid!r}. Example: {corpus.name}/test/0/2"
        )
    for example in data.examples(corpus, split, context.past, context.protocol, context.future):
        if example.target.uid == uid:
            return example
    dialogues = corpus.split(split)
    there = f"{split} has dialogues 0 to {len(dialogues) - 1}"
    if parts[2].isdecimal() and int(parts[2]) < len(dialogues):
        last = len(dialogues[int(parts[2])].utterances) - 1
        there += f"; dialogue {parts[2]} has turns 0 to {last}, some perhaps unlabelled"
    raise UsageError(f"No labelled utterance has this uid. Got {uid!r}. {there}.")


def _data(corpus: Corpus, example: Example, context: Context) -> dict[str, Any]:
    _, split, _, _ = example.target.uid.split("/")
    gold = data.gold(corpus, split)  # type: ignore[arg-type]
    return {
        "uid": example.target.uid,
        "speaker": example.target.speaker,
        "text": example.target.text,
        "label": corpus.labels.keys[gold[example.target.uid]],
        "past": [_turn(turn) for turn in example.past],
        **({"future": [_turn(turn) for turn in example.future]} if context.protocol == "full" else {}),
    }


def _turn(turn: Utterance) -> dict[str, str]:
    return {"uid": turn.uid, "speaker": turn.speaker, "text": turn.text}


def _with_weights(config: Config, corpus: Corpus, encoder: Any, tokens: Any, until: str) -> dict[str, Any]:
    """The stages that need weights, which are the pre-trained ones: nothing is trained here."""
    import torch

    from ercbench import classifying
    from ercbench.devices import Device
    from ercbench.encoding import encode, fit
    from ercbench.types import Prototypes

    torch.manual_seed(0)
    model = encoder.load()
    note = "pre-trained weights, before any training; new layers drawn with seed 0"
    if config.encoder.spec.fitted:
        fit(encoder, model, _train_tokens(config, corpus, encoder), config.training.batch_size)
        note = "fitted to the text of the training split"
    representation = encode(encoder, model, [tokens], Device("cpu", "fp32"), 1)
    shapes = {"hidden": representation.hidden, "vectors": representation.vectors, **(representation.sparse or {})}
    stages: dict[str, Any] = {
        "representation": {"note": note, **{name: list(array.shape) for name, array in shapes.items()}}
    }
    if until == "classifying" and not config.losses:
        name = config.classifier.spec.name
        stages["classifying"] = {"classifier": name, "note": "fitted during a run, on the training split"}
    elif until == "classifying":
        with torch.no_grad():
            vectors = model.prototypes()
        prototypes = None if vectors is None else Prototypes(vectors.numpy())
        part = config.selection_classifier
        classifier = classifying.build(part, corpus.labels, config.context)
        [candidate] = classifying.fit(classifier, None, prototypes, 0)
        scores = classifying.predict(candidate, representation, len(corpus.labels)).scores[0]
        stages["classifying"] = {
            "classifier": part.spec.name,
            "scores": {key: round(float(value), 4) for key, value in zip(corpus.labels.keys, scores, strict=True)},
            "predicted": corpus.labels.keys[int(scores.argmax())],
        }
    return stages
