"""The parts of EACL as specs."""

from __future__ import annotations

from ercbench import ClassifierSpec, EncoderSpec, LossSpec, RendererSpec
from ercbench_eacl import settings

PAPER = "Yu et al., Findings of NAACL 2024, arXiv 2403.20289"

RENDERERS = (
    RendererSpec(
        name="eacl",
        summary="Earlier turns as 'NAME says: TEXT', then 'For utterance: TEXT NAME feels [MASK]'",
        target="ercbench_eacl.rendering:EaclRenderer",
        settings=settings.RendererSettings,
        reference=f"{PAPER}, section 3.2",
        later_turns=True,
    ),
)

ENCODERS = (
    EncoderSpec(
        name="eacl",
        summary="Any Hugging Face encoder, read at the mask, projected; label words are the anchors",
        target="ercbench_eacl.encoder:EaclEncoder",
        settings=settings.EncoderSettings,
        reference=f"{PAPER}, sections 3.2 and 3.3",
        later_turns=True,
    ),
    EncoderSpec(
        name="dialogue-shared",
        summary="The encoder eacl with shared context: a dialogue is encoded once, all its utterances in one pass",
        target="ercbench_eacl.shared:DialogueSharedEncoder",
        settings=settings.SharedEncoderSettings,
        reference=f"{PAPER}, sections 3.2 and 3.3; the sharing is this project's",
    ),
)

LOSSES = (
    LossSpec(
        name="anchor-contrastive",
        summary="Supervised contrastive loss over a batch and the emotion anchors together",
        target="ercbench_eacl.losses:AnchorContrastiveLoss",
        settings=settings.AnchorContrastiveSettings,
        reference=f"{PAPER}, section 3.3",
    ),
    LossSpec(
        name="separation",
        summary="Widens the smallest angle between emotion anchors",
        target="ercbench_eacl.losses:SeparationLoss",
        settings=settings.SeparationSettings,
        reference=f"{PAPER}, section 3.3",
    ),
)

CLASSIFIERS = (
    ClassifierSpec(
        name="nearest-anchor",
        summary="The emotion whose anchor is most similar",
        target="ercbench_eacl.classifiers:NearestAnchor",
        settings=settings.NearestAnchorSettings,
        reference=f"{PAPER}, section 3.3",
        needs_training=False,
    ),
    ClassifierSpec(
        name="anchor-adaptation",
        summary="Anchors trained on the stored vectors of the training split, everything else frozen",
        target="ercbench_eacl.classifiers:AnchorAdaptation",
        settings=settings.AnchorAdaptationSettings,
        reference=f"{PAPER}, section 3.4",
    ),
)
