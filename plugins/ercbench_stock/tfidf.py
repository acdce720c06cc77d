"""TF-IDF of scikit-learn as an encoder that is fitted to the text of the training split, not trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from torch import Tensor, nn

from ercbench import Batch, Checkpoint, EncodedBatch, LabelSet, PluginError, Prompt, Tokens, length_buckets, pad
from ercbench_stock.settings import TfidfSettings

WORDS = r"(?u)\b\w+\b|[!?.]"
"""What is counted: words, and the marks that tell of emotion."""
END = "\n"
"""Ends a segment; within a segment it becomes a blank."""
UTTERANCE = "utterance"


class TfidfEncoder:
    """Prompts -> Tokens -> Batches. The tokens are the characters of the text, since words are scikit-learn's to find.

    **Reference**: Salton and Buckley, Information Processing & Management 24(5), 1988, for TF-IDF.

    **Differs from the paper**: term frequencies are logarithmic, runs of two words are counted too.
    """

    def __init__(self, settings: TfidfSettings, labels: LabelSet, checkpoint: Checkpoint | None) -> None:
        self.settings = settings

    def tokenize(self, prompts: Sequence[Prompt]) -> list[Tokens]:
        """Prompts -> Tokens; the position is where the query begins.

        Before: rendering.py. After: `plan`, `collate`.
        """
        found = []
        for prompt in prompts:
            lines = [segment.replace(END, " ") + END for segment in prompt.segments[: prompt.query + 1]]
            begin = sum(len(line) for line in lines[:-1])
            found.append(Tokens(prompt.uid, tuple(map(ord, "".join(lines))), begin))
        return found

    def plan(self, tokens: Sequence[Tokens], batch_size: int, seed: int | None) -> list[list[int]]:
        """Batches of similar length."""
        return length_buckets([len(token.input_ids) for token in tokens], batch_size, seed)

    def collate(self, tokens: Sequence[Tokens]) -> Batch:
        """Tokens -> Batch of characters (B, T)."""
        return Batch(tuple(token.uid for token in tokens), pad(tokens, 0))

    def load(self) -> TfidfModel:
        """A model that is not fitted yet."""
        return TfidfModel(self.settings)


class TfidfModel(nn.Module):
    """Batch -> EncodedBatch with sparse features.

    Without windows there is one set of them, the TF-IDF of the utterance. With windows there is one per window of k:
    the TF-IDF of the utterance, and beside it that of the k turns before it taken together. Words and how rare they
    are come from the utterances of train in either case.
    """

    dimension = 0

    def __init__(self, settings: TfidfSettings) -> None:
        super().__init__()
        self.backbone = nn.Identity()
        self.settings = settings
        self.vectorizer = self._vectorizer()

    def fit(self, batches: Iterable[Batch]) -> None:
        """Learn words and how rare they are from the utterances of the training split."""
        try:
            self.vectorizer.fit([lines[-1] for batch in batches for lines in _lines(batch)])
        except ValueError as error:  # there is no word to count
            raise PluginError(
                f"TF-IDF finds nothing to count in the training split: {error} "
                f"Got encoder.fewest={self.settings.fewest}. Lower it, or see what the renderer writes."
            ) from error

    def forward(self, batch: Batch) -> EncodedBatch:
        """Batch -> EncodedBatch."""
        turns = list(_lines(batch))
        utterance = self._features([lines[-1] for lines in turns])  # (B, F)
        sparse = {}
        for window in self.settings.windows:
            past = self._features([END.join(lines[:-1][-window:]) for lines in turns])  # (B, F)
            sparse[f"last {window}"] = csr_array(hstack([utterance, past], format="csr"))  # (B, 2 F)
        nothing = torch.zeros(len(batch.uids), 0)  # (B, 0)
        return EncodedBatch(batch.uids, nothing, nothing, labels=batch.labels, sparse=sparse or {UTTERANCE: utterance})

    def prototypes(self) -> Tensor | None:
        """None."""
        return None

    def state_dict(self, *_: Any, **__: Any) -> dict[str, Tensor]:  # type: ignore[override]
        """Words, in the order of their columns, and how rare they are."""
        words = END.join(self.vectorizer.get_feature_names_out()).encode()
        return {
            "words": torch.frombuffer(bytearray(words), dtype=torch.uint8),
            "rarity": torch.from_numpy(np.array(self.vectorizer.idf_)),
        }

    def load_state_dict(self, state_dict: Mapping[str, Tensor], *_: Any, **__: Any) -> None:  # type: ignore[override]
        """What `state_dict` gave."""
        self.vectorizer = self._vectorizer(state_dict["words"].numpy().tobytes().decode().split(END))
        self.vectorizer.idf_ = state_dict["rarity"].numpy()

    def _vectorizer(self, words: Sequence[str] | None = None) -> TfidfVectorizer:
        return TfidfVectorizer(
            token_pattern=WORDS,
            ngram_range=(1, self.settings.longest),
            min_df=self.settings.fewest,
            sublinear_tf=True,
            vocabulary=words,
        )

    def _features(self, texts: Sequence[str]) -> csr_array:
        """Texts -> TF-IDF (B, F)."""
        return csr_array(self.vectorizer.transform(texts))


def _lines(batch: Batch) -> Iterable[list[str]]:
    """The segments of each prompt of a batch."""
    lengths = batch.inputs["attention_mask"].sum(1).tolist()
    for row, length in zip(batch.inputs["input_ids"].cpu().numpy(), lengths, strict=True):
        text = row[:length].astype("<u4").tobytes().decode("utf-32-le", errors="surrogatepass")
        yield text.split(END)[:-1]
