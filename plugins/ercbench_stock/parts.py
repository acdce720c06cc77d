"""The stock parts as specs."""

from __future__ import annotations

from ercbench import ClassifierSpec, CurriculumSpec, EncoderSpec, LossSpec, RendererSpec
from ercbench_stock import metric_settings, settings
from ercbench_stock.dialogue import settings as dialogue_settings

RENDERERS = (
    RendererSpec(
        name="utterance",
        summary="The text of the utterance and nothing else",
        target="ercbench_stock.renderers:UtteranceRenderer",
        settings=settings.PlainTextSettings,
    ),
    RendererSpec(
        name="turns",
        summary="The text of the turns shown and of the utterance, without speakers",
        target="ercbench_stock.renderers:TurnsRenderer",
        settings=settings.PlainTextSettings,
        later_turns=True,
    ),
)

ENCODERS = (
    EncoderSpec(
        name="none",
        summary="No encoder: vectors without dimensions, for classifiers that look at no utterance",
        target="ercbench_stock.floors:NoEncoder",
        settings=settings.NoEncoderSettings,
        later_turns=True,
        fitted=True,
    ),
    EncoderSpec(
        name="tfidf",
        summary="TF-IDF of words and runs of words, of the utterance and, beside it, of the turns before it",
        target="ercbench_stock.tfidf:TfidfEncoder",
        settings=settings.TfidfSettings,
        reference="Salton and Buckley, Information Processing & Management 24(5), 1988",
        fitted=True,
        sparse=True,
    ),
    EncoderSpec(
        name="transformer",
        summary="Any Hugging Face encoder, read at the first token, a mask or over all tokens; a linear head if set",
        target="ercbench_stock.transformer:TransformerEncoder",
        settings=settings.TransformerSettings,
        later_turns=True,
    ),
)

LOSSES = (
    LossSpec(
        name="cross-entropy",
        summary="Cross-entropy of the linear head's logits",
        target="ercbench_stock.losses:CrossEntropyLoss",
        settings=settings.CrossEntropySettings,
    ),
    LossSpec(
        name="weighted-cross-entropy",
        summary="Cross-entropy that counts an utterance the more, the rarer its label is in train",
        target="ercbench_stock.losses:WeightedCrossEntropyLoss",
        settings=settings.WeightedCrossEntropySettings,
        reference="King and Zeng, Political Analysis 9(2), 2001",
        counts=True,
    ),
    LossSpec(
        name="focal",
        summary="Cross-entropy that counts an utterance the less, the surer the right label is",
        target="ercbench_stock.losses:FocalLoss",
        settings=settings.FocalSettings,
        reference="Lin et al., ICCV 2017, arXiv 1708.02002, equation 4",
    ),
    LossSpec(
        name="supcon",
        summary="Supervised contrastive loss over the vectors of a batch (pytorch-metric-learning)",
        target="ercbench_stock.losses:SupConLoss",
        settings=settings.SupConSettings,
        reference="Khosla et al., NeurIPS 2020, arXiv 2004.11362, equation 2",
    ),
    LossSpec(
        name="spcl",
        summary="Supervised contrastive loss over a batch and a prototype per class, drawn from pools of past vectors",
        target="ercbench_stock.spcl:SpclLoss",
        settings=settings.SpclSettings,
        reference="Song et al., EMNLP 2022, arXiv 2210.08713",
        memory=True,
    ),
    LossSpec(
        name="pml",
        summary="Any loss of pytorch-metric-learning over the vectors of a batch: losses.NAME=pml:CLASS",
        target="ercbench_stock.metric:MetricLoss",
        settings=metric_settings.MetricSettings,
        reference="Musgrave et al., PyTorch Metric Learning, arXiv 2008.09164",
        variant="class_name",
    ),
)

CURRICULA = (
    CurriculumSpec(
        name="difficulty",
        summary="From utterances near the mean of their class to those far from it, half of train in every epoch",
        target="ercbench_stock.curricula:Difficulty",
        settings=settings.DifficultySettings,
        reference="Song et al., EMNLP 2022, arXiv 2210.08713",
    ),
)

CLASSIFIERS = (
    ClassifierSpec(
        name="linear-head",
        summary="The linear head that was trained beside the representation",
        target="ercbench_stock.classifiers:LinearHead",
        settings=settings.LinearHeadSettings,
        needs_training=False,
    ),
    ClassifierSpec(
        name="nearest-centroid",
        summary="The class whose mean vector over train is the most similar by cosine",
        target="ercbench_stock.classifiers:NearestCentroid",
        settings=settings.NearestCentroidSettings,
        reference="Song et al., EMNLP 2022, arXiv 2210.08713",
    ),
    ClassifierSpec(
        name="logistic-regression",
        summary="Logistic regression on vectors or sparse features, its hyper-parameters chosen on dev",
        target="ercbench_stock.logistic:LogisticRegression",
        settings=settings.LogisticRegressionSettings,
        sparse=True,
    ),
    ClassifierSpec(
        name="bilstm",
        summary="An LSTM over the vectors of a dialogue, in both directions where later turns may be read",
        target="ercbench_stock.dialogue.bilstm:BiLstm",
        settings=dialogue_settings.BiLstmSettings,
        reference="Poria et al., ACL 2017, section 3.2",
        dialogues=True,
    ),
    ClassifierSpec(
        name="dialogue-rnn",
        summary="GRUs for the conversation, for each speaker and for the emotion, attending to the conversation so far",
        target="ercbench_stock.dialogue.dialogue_rnn:DialogueRnn",
        settings=dialogue_settings.DialogueRnnSettings,
        reference="Majumder et al., AAAI 2019, arXiv 1811.00405",
        dialogues=True,
    ),
    ClassifierSpec(
        name="dag-erc",
        summary="A graph in which each utterance attends to those back to its speaker's last, telling speakers apart",
        target="ercbench_stock.dialogue.dag:DagErc",
        settings=dialogue_settings.DagSettings,
        reference="Shen et al., ACL 2021, arXiv 2105.12907",
        dialogues=True,
    ),
    ClassifierSpec(
        name="majority",
        summary="The label that most training utterances carry",
        target="ercbench_stock.floors:Majority",
        settings=settings.FloorSettings,
        floor=True,
        sparse=True,
    ),
    ClassifierSpec(
        name="stratified",
        summary="A label drawn at random, as often as each occurs in train",
        target="ercbench_stock.floors:Stratified",
        settings=settings.FloorSettings,
        floor=True,
        sparse=True,
    ),
)
