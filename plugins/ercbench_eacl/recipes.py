"""EACL as recipes. Everything but ``eacl`` names only what it does differently."""

from __future__ import annotations

from pydantic import JsonValue

from ercbench import Recipe

PAPER = (
    "Yu, Guo, Wu, Dai: Emotion-Anchored Contrastive Learning Framework for Emotion Recognition in Conversation, "
    "Findings of NAACL 2024, arXiv 2403.20289"
)

VERSION = "2"
"""2: the dropout of a training step is drawn otherwise, see CHANGELOG.md."""

SHARED_VERSION = "3"
"""3: stretches in which at most three utterances are read."""

# A few hundred utterances need larger steps and more of them; one pass keeps the demonstration short.
SAMPLE: dict[str, JsonValue] = {
    "training.batch_size": 8,
    "training.encoder_lr": 2e-4,
    "training.lr": 1e-3,
    "training.epochs": 1,
}

# What the paper's ablation study takes away, one at a time: label words as anchors, the loss that keeps them apart, the
# second stage, cross-entropy.
ABLATIONS: dict[str, dict[str, JsonValue]] = {
    # Where no anchor is learnt there is nothing to keep apart and nothing to be near to: the linear head decides.
    "anchors": {
        "losses.anchor-contrastive.anchors": False,
        "losses.separation": None,
        "classifier": None,
        "classifier.name": "linear-head",
        "selection.classifier": "linear-head",
    },
    "separation": {"losses.separation": None},
    # Decided by the anchors as stage 1 leaves them.
    "adaptation": {"classifier": None, "classifier.name": "nearest-anchor"},
    # The other two in their proportion and at full weight, so that the sum stays as large.
    "cross-entropy": {
        "losses.cross-entropy": None,
        "losses.anchor-contrastive.weight": 1.0,
        "losses.separation.weight": 0.1,
    },
}

EACL = Recipe(
    name="eacl",
    version=VERSION,
    summary="Emotion-anchored contrastive learning, the epoch chosen on dev",
    reference=PAPER,
    values={
        "renderer.name": "eacl",
        "encoder.name": "eacl",
        "losses.cross-entropy.weight": 0.1,
        "losses.anchor-contrastive.weight": 0.9,
        "losses.anchor-contrastive.temperature": 0.1,
        "losses.separation.weight": 0.09,
        "classifier.name": "anchor-adaptation",
        "selection.classifier": "nearest-anchor",
        "training.encoder_lr": 1e-5,
        "training.lr": 4e-4,
        "training.lr_decay": 0.5,
        "training.weight_decay": 0.01,
        "training.clip_norm": 5.0,
    },
    for_track={"mini": {"training.encoder_lr": 5e-5, "training.lr_decay": 0.7, "encoder.attention_dropout": 0.0}},
    for_dataset={
        "meld": {"renderer.replace": {"\N{RIGHT SINGLE QUOTATION MARK}": "'", '"': ""}},
        "emorynlp": {"renderer.speaker": "first-word"},
        "iemocap": {"renderer.speaker": "by-appearance", "renderer.replace": {"[LAUGHTER]": ""}},
        "meld-sample": SAMPLE,
        "emorynlp-sample": SAMPLE,
        "iemocap-sample": SAMPLE,
    },
    ablations=ABLATIONS,
)


def _variant(name: str, summary: str, values: dict[str, JsonValue], ranked: bool = True) -> Recipe:
    return Recipe(
        name=name,
        version=VERSION,
        summary=summary,
        reference=f"Derived from {PAPER}",
        base="eacl",
        values=values,
        ranked=ranked,
    )


SHARED = Recipe(
    name="eacl-shared",
    version=SHARED_VERSION,
    summary="EACL with shared context: a dialogue is encoded once for all of its utterances; a row of its own",
    reference=f"Derived from {PAPER}",
    base="eacl",
    values={"encoder.name": "dialogue-shared"},
    ablations=ABLATIONS,
)


RECIPES = (
    EACL,
    SHARED,
    _variant(
        "eacl-released",
        "As the released code behaves: first token read, epoch chosen on test; a labelled reproduction, never ranked",
        {
            "encoder.read": "first",
            "selection.split": "test",
            "selection.prototypes": "last",
            "selection.ties": "test",
        },
        ranked=False,
    ),
    _variant(
        "eacl-no-anchors",
        "Ablation: contrast within the batch only, no separation loss, decided by the linear head",
        ABLATIONS["anchors"],
    ),
    _variant("eacl-no-separation", "Ablation: no separation loss", ABLATIONS["separation"]),
    _variant(
        "eacl-no-adaptation",
        "Ablation: no stage 2, decided by the nearest anchor",
        ABLATIONS["adaptation"],
    ),
    _variant(
        "eacl-no-ce",
        "Ablation: no cross-entropy, the other losses at full weight",
        ABLATIONS["cross-entropy"],
    ),
)
