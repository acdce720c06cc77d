"""An LSTM over the utterances of a dialogue: bc-LSTM."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ercbench_stock.dialogue.sequences import Sequences
from ercbench_stock.dialogue.settings import BiLstmSettings
from ercbench_stock.dialogue.training import DialogueClassifier, deciding


class BiLstm(DialogueClassifier):
    """An LSTM over the utterances of a dialogue, in both directions where later turns may be read.

    **Reference**: Poria et al., Context-Dependent Sentiment Analysis in User-Generated Videos, ACL 2017, section 3.2:
    bc-LSTM under the context protocol ``full``, sc-LSTM under ``past``.

    **Differs from the paper**: text alone, so that nothing is fused; vectors of another encoder. Dropout on what the
    LSTM reads, between its layers, and before the logits. Utterances without a label are left out of the sequence.
    """

    name = "bilstm"
    settings: BiLstmSettings

    def network(self, dimension: int) -> nn.Module:
        """The network."""
        return BiLstmNetwork(dimension, self.settings, self.classes, self.both_ways)


class BiLstmNetwork(nn.Module):
    """Sequences -> logits (B, T, C): the LSTM's states h, ReLU(W_z h + b_z), and logits of that."""

    def __init__(self, dimension: int, settings: BiLstmSettings, classes: int, both_ways: bool) -> None:
        super().__init__()
        between = settings.dropout if settings.layers > 1 else 0.0
        self.dropout = nn.Dropout(settings.dropout)
        self.lstm = nn.LSTM(
            dimension, settings.state, settings.layers, batch_first=True, dropout=between, bidirectional=both_ways
        )
        self.deciding = deciding(settings.state * (2 if both_ways else 1), settings, classes)

    def forward(self, batch: Sequences) -> Tensor:
        """Sequences -> logits (B, T, C)."""
        read = self.dropout(batch.features)
        packed = pack_padded_sequence(read, batch.lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)  # (B, T, H)
        logits: Tensor = self.deciding(states)
        return logits
