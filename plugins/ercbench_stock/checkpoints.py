"""Encoders whose weights have seen a data set of the benchmark, as far as their makers say so.

An encoder that is not named here may have seen them too; nobody has said so.
"""

from __future__ import annotations

from ercbench import CheckpointFacts, TrainingData

_EMOBERTA = (
    "data sets on the model card; train-erc-text-full.py of github tae898/erc trains on the split train, "
    "arXiv 2108.12009"
)
_HARTMANN = (
    "model card: a balanced subset of six data sets, MELD (Poria et al., 2019) among them, 80 % for training and 20 % "
    "for evaluation"
)

CHECKPOINTS = (
    CheckpointFacts(
        name="emoberta",
        summary="EmoBERTa: RoBERTa fine-tuned on MELD and IEMOCAP",
        checkpoints=("tae898/emoberta-base", "tae898/emoberta-large"),
        trained_on=(
            TrainingData(dataset="meld", splits=("train",), source=_EMOBERTA),
            TrainingData(dataset="iemocap", splits=("train",), source=_EMOBERTA),
        ),
    ),
    CheckpointFacts(
        name="emotion-english",
        summary="RoBERTa and DistilRoBERTa fine-tuned on six data sets for Ekman's emotions, MELD among them",
        checkpoints=("j-hartmann/emotion-english-distilroberta-base", "j-hartmann/emotion-english-roberta-large"),
        trained_on=(TrainingData(dataset="meld", source=_HARTMANN),),
    ),
)
