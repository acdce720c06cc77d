"""The encoder: everything that needs no weights, and the model."""

import string

import torch
from torch import nn

from ercbench import Batch, EncodedBatch, Tokens, length_buckets, pad

ALPHABET = string.ascii_letters + string.digits + string.punctuation + " \n"
PADDING, UNKNOWN, FIRST = 0, 1, 2
"""Numbers of no character, of one that is not in the alphabet, of the first that is."""
END = "\n"
"""Closes every segment, so that a sequence has a character even where nothing was said."""


class CharConv:
    """Prompts -> Tokens -> Batches, and the way to the model.

    **Reference**: Kim, Jernite, Sontag, Rush, AAAI 2016, arXiv 1508.06615.

    **Differs from the paper**: the characters are those of turns, not of a word.
    """

    def __init__(self, settings, labels, checkpoint):
        self.settings, self.labels = settings, labels
        self.numbers = {character: number for number, character in enumerate(ALPHABET, FIRST)}

    def tokenize(self, prompts):
        """Prompts -> Tokens: a number per character."""
        return [self._tokens(prompt) for prompt in prompts]

    def _tokens(self, prompt):
        """One prompt. What is cut off is cut on the left, earlier turns first. `position` is where the question begins.

        `position` is this encoder's own to use; that it is within the sequence is all that is asked.
        """
        past = "".join(segment + END for segment in prompt.segments[: prompt.query])
        text = past + prompt.segments[prompt.query] + END
        cut = max(0, len(text) - self.settings.max_characters)
        ids = [self.numbers.get(character, UNKNOWN) for character in text[cut:]]
        return Tokens(prompt.uid, tuple(ids), max(0, len(past) - cut))

    def plan(self, tokens, batch_size, seed):
        """Batches of similar length, so that little is padding."""
        return length_buckets([len(token.input_ids) for token in tokens], batch_size, seed)

    def collate(self, tokens):
        """Tokens -> Batch."""
        return Batch(tuple(token.uid for token in tokens), pad(tokens, PADDING))

    def load(self):
        """A new model, its parameters drawn from torch's global generator, which the run has seeded."""
        return CharConvModel(self.settings, len(self.labels))


class CharConvModel(nn.Module):
    """Batch -> EncodedBatch: h is the largest answer of every filter in the question and in what was said before.

    A filter f of width w looks at the characters i to i + w - 1: tanh(<f, them> + b). Over the maxima lies a highway
    layer: z = t * relu(W h + b) + (1 - t) * h, with t = sigmoid(V h + c), c being -2 at first so that h passes.

    **Reference**: Kim et al., AAAI 2016: character-level convolution, highway network.

    **Differs from the paper**: maxima over two stretches; windows may reach over the end; a linear head, no LSTM.
    """

    def __init__(self, settings, classes):
        super().__init__()
        # What is called `backbone` is trained at training.encoder_lr, everything else at training.lr.
        self.backbone = nn.Embedding(FIRST + len(ALPHABET), settings.embedding)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(settings.embedding, settings.filters, width) for width in settings.widths
        )
        self.dimension = 2 * settings.filters * len(settings.widths)  # D, here the same as H
        self.layer, self.gate = nn.Linear(self.dimension, self.dimension), nn.Linear(self.dimension, self.dimension)
        nn.init.constant_(self.gate.bias, -2.0)
        self.dropout, self.head = nn.Dropout(settings.dropout), nn.Linear(self.dimension, classes)

    def forward(self, batch: Batch) -> EncodedBatch:
        """Batch -> EncodedBatch."""
        ids, there = batch.inputs["input_ids"], batch.inputs["attention_mask"].bool()  # (B, T)
        # An utterance must have the same vector alone and beside a longer one, so padding may not be seen: its states
        # are zero, as many zeros follow the longest sequence as a filter can reach, and no window that begins in
        # padding counts.
        states = (self.backbone(ids) * there.unsqueeze(-1)).transpose(1, 2)  # (B, embedding, T)
        answers = [
            convolution(nn.functional.pad(states, (0, convolution.kernel_size[0] - 1))).tanh()
            for convolution in self.convolutions
        ]
        answers = torch.cat(answers, dim=1)  # (B, H / 2, T)
        places = torch.arange(ids.shape[1], device=ids.device)  # (T,)
        question = places >= batch.inputs["position"].unsqueeze(-1)  # (B, T)
        hidden = torch.cat([largest(answers, there & question), largest(answers, there & ~question)], dim=1)  # (B, H)
        gate = self.gate(hidden).sigmoid()
        vectors = gate * self.layer(hidden).relu() + (1 - gate) * hidden  # (B, D)
        return EncodedBatch(batch.uids, hidden, vectors, self.head(self.dropout(vectors)), None, batch.labels)

    def prototypes(self):
        """It has no label vectors."""
        return


def largest(answers, where):
    """The largest answer of each filter among some windows: (B, F, T) and (B, T) -> (B, F).

    Where there is none, as before the first turn, it is -1, below which tanh never falls.
    """
    return answers.masked_fill(~where.unsqueeze(1), -1.0).amax(2)
