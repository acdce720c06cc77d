"""Inference: transformers text-classification pipelines and ours, same encoder, same texts, in turns."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, pipeline

from benchmarks.ours import prepared
from benchmarks.parts import Options
from ercbench import Prototypes, classifying
from ercbench.catalog import load_target
from ercbench.conversations import Turn
from ercbench.devices import Device
from ercbench.inference import Predictor
from ercbench.models import TrainedModel
from ercbench.preparing import Prepared

Run = Callable[[int, int], object]
"""Classifies the test dialogues from one index to another."""

TURNS, DIALOGUES = 2, 60
BATCH = 16
"""The batch size that ``ercbench predict`` takes by default."""


def measure(options: Options) -> dict[str, float]:
    """Utterances per second of each, and ratios.

    The pipeline is given the very texts that ours makes of the dialogues, in batches of the same size and, its default,
    one by one. Both begin with text and end with probabilities. ``predict.ratio`` is ours as ``ercbench predict`` does
    it when nothing is said, in bf16 where the processor has it, to the faster of the two float32 pipelines;
    ``predict.ratio_fp32`` is ours in float32 to the same.
    """
    runs = {**_pipelines(options), **_ours(options)}
    test = prepared("eacl", "meld", options.data_dir).corpus.test
    count, turns = (2, 1) if options.quick else (DIALOGUES, TURNS)
    seconds = dict.fromkeys(runs, 0.0)
    for turn in range(turns):
        for name, run in runs.items():
            begun = time.perf_counter()
            run(turn * count, (turn + 1) * count)
            seconds[name] += time.perf_counter() - begun
    utterances = sum(len(dialogue.utterances) for dialogue in test[: turns * count])
    rates = {name: utterances / value for name, value in seconds.items()}
    fastest = max(rates[name] for name in rates if name.startswith("pipeline") and "bf16" not in name)
    by_default = rates["exact_bf16"] if Device("cpu", "fastest").precision == "bf16" else rates["exact"]
    return {
        **{f"predict.{name}_utterances_per_second": rate for name, rate in rates.items()},
        "predict.ratio": by_default / fastest,
        "predict.ratio_fp32": rates["exact"] / fastest,
        "predict.ratio_bf16": rates["exact_bf16"] / rates[f"pipeline_{BATCH}_bf16"],
        "predict.shared_ratio": rates["shared"] / fastest,
    }


def _pipelines(options: Options) -> dict[str, Run]:
    """The pipeline, by batch size and precision."""
    ready = prepared("eacl", "meld", options.data_dir)
    return {
        "pipeline_1": _pipeline(ready, 1, torch.float32),
        f"pipeline_{BATCH}": _pipeline(ready, BATCH, torch.float32),
        f"pipeline_{BATCH}_bf16": _pipeline(ready, BATCH, torch.bfloat16),
    }


def _pipeline(ready: Prepared, batch_size: int, dtype: torch.dtype) -> Run:
    assert ready.checkpoint is not None
    tokenizer = ready.encoder.tokenizer  # type: ignore[attr-defined]
    texts = {token.uid: tokenizer.decode(token.input_ids[1:-1]) for token in ready.tokens["test"]}
    model = AutoModelForSequenceClassification.from_pretrained(ready.checkpoint.path, num_labels=7, dtype=dtype)
    classify: Any = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu", top_k=None)

    def run(first: int, last: int) -> None:
        given = [texts[u.uid] for d in ready.corpus.test[first:last] for u in d.utterances]
        classify(given, batch_size=batch_size, truncation=True, max_length=256)

    return run


def _ours(options: Options) -> dict[str, Run]:
    """`Predictor` with the encoder as it was pre-trained."""
    exact, shared = (prepared(recipe, "meld", options.data_dir) for recipe in ("eacl", "eacl-shared"))
    runs = {"exact": _predictor(exact, "fp32"), "shared": _predictor(shared, "fp32")}
    return {**runs, "exact_bf16": _predictor(exact, "bf16")}


def _predictor(ready: Prepared, precision: str) -> Run:
    config = ready.config
    torch.manual_seed(0)
    model = ready.encoder.load()
    model.eval()
    with torch.inference_mode():
        anchors = Prototypes(model.prototypes().numpy())  # type: ignore[union-attr]
    nearest = load_target(config.selection_classifier.spec.target)(
        config.selection_classifier.settings, ready.corpus.labels
    )
    [candidate] = classifying.fit(nearest, None, anchors, 0)
    renderer = load_target(config.renderer.spec.target)(config.renderer.settings)
    trained = TrainedModel(None, config, renderer, ready.encoder, model, candidate)  # type: ignore[arg-type]
    predictor = Predictor(trained, Device("cpu", precision))

    def run(first: int, last: int) -> None:
        dialogues = ready.corpus.test[first:last]
        for _ in predictor.predict(Turn(d.key, u.speaker, u.text) for d in dialogues for u in d.utterances):
            pass

    return run
