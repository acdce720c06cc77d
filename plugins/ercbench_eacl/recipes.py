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
)


def _variant(
    name: str, summary: str, values: dict[str, JsonValue], ranked: bool = True, version: str = VERSION
) -> Recipe:
    return Recipe(
        name=name,
        version=version,
        summary=summary,
        reference=f"Derived from {PAPER}",
        base="eacl",
        values=values,
        ranked=ranked,
    )


RECIPES = (
    EACL,
    _variant(
        "eacl-shared",
        "EACL with shared context: several times as fast, another encoder function, a row of its own",
        {"encoder.name": "dialogue-shared"},
        version=SHARED_VERSION,
    ),
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
        {
            "losses.anchor-contrastive.anchors": False,
            "losses.separation": None,
            "classifier": None,
            "classifier.name": "linear-head",
            "selection.classifier": "linear-head",
        },
    ),
    _variant("eacl-no-separation", "Ablation: no separation loss", {"losses.separation": None}),
    _variant(
        "eacl-no-adaptation",
        "Ablation: no stage 2, decided by the nearest anchor",
        {"classifier": None, "classifier.name": "nearest-anchor"},
    ),
    _variant(
        "eacl-no-ce",
        "Ablation: no cross-entropy, the other losses at full weight",
        {"losses.cross-entropy": None, "losses.anchor-contrastive.weight": 1.0, "losses.separation.weight": 0.1},
    ),
)
