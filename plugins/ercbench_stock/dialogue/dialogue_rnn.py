"""DialogueRNN: the state of the conversation, of each speaker, and of the emotion."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ercbench_stock.dialogue.both_ways import BothWays
from ercbench_stock.dialogue.sequences import Sequences
from ercbench_stock.dialogue.settings import DialogueRnnSettings
from ercbench_stock.dialogue.training import DialogueClassifier, deciding


class DialogueRnn(DialogueClassifier):
    """DialogueRNN, in both directions where later turns may be read.

    **Reference**: Majumder et al., AAAI 2019, arXiv 1811.00405, equations 1 to 10: DialogueRNN under the context
    protocol ``past``, BiDialogueRNN under ``full``.

    **Differs from the paper**: vectors of another encoder instead of features of text, sound and picture. A listener's
    state stays as it is (the paper's plain variant), and emotions are not attended to. Dropout on the three states, as
    in the released code, and before the logits. Utterances without a label are left out of the sequence.
    """

    name = "dialogue-rnn"
    settings: DialogueRnnSettings

    def network(self, dimension: int) -> nn.Module:
        """The network."""
        return DialogueRnnNetwork(dimension, self.settings, self.classes, self.both_ways)


class DialogueRnnNetwork(nn.Module):
    """Sequences -> logits (B, T, C): ReLU(W_l e_t + b_l), and logits of that."""

    def __init__(self, dimension: int, settings: DialogueRnnSettings, classes: int, both_ways: bool) -> None:
        super().__init__()
        self.states = BothWays(lambda: OneWay(dimension, settings), both_ways)
        self.deciding = deciding(settings.emotion_state * (2 if both_ways else 1), settings, classes)

    def forward(self, batch: Sequences) -> Tensor:
        """Sequences -> logits (B, T, C)."""
        logits: Tensor = self.deciding(self.states(batch))
        return logits


class OneWay(nn.Module):
    """Sequences -> the emotion's states e_t, (B, T, D_E), in the direction of the sequences.

    At turn t of speaker s: g_t = GRU_G(g_{t-1}, [u_t; q_{s,t-1}]); c_t attends to g_1 ... g_{t-1} by u_t W g;
    q_{s,t} = GRU_P(q_{s,t-1}, [u_t; c_t]); e_t = GRU_E(e_{t-1}, q_{s,t}). All begin with zeros.
    """

    def __init__(self, dimension: int, settings: DialogueRnnSettings) -> None:
        super().__init__()
        self.settings = settings
        self.conversation = nn.GRUCell(dimension + settings.party_state, settings.global_state)
        self.party = nn.GRUCell(dimension + settings.global_state, settings.party_state)
        self.emotion = nn.GRUCell(settings.party_state, settings.emotion_state)
        self.attention = nn.Linear(dimension, settings.global_state, bias=False)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, batch: Sequences) -> Tensor:
        """Sequences -> states (B, T, D_E)."""
        said, who = batch.features, batch.speakers  # (B, T, D), (B, T)
        size = self.settings
        parties = said.new_zeros(len(said), int(who.max()) + 1, size.party_state)  # (B, P, D_P)
        g, e = (said.new_zeros(len(said), width) for width in (size.global_state, size.emotion_state))
        asked = self.attention(said)  # (B, T, D_G)
        past: list[Tensor] = []
        emotions: list[Tensor] = []
        for t in range(said.shape[1]):
            u, place = said[:, t], who[:, t, None, None].expand(-1, 1, size.party_state)
            q = parties.gather(1, place)[:, 0]  # (B, D_P)
            c = _attended(asked[:, t], past) if past else torch.zeros_like(g)  # (B, D_G)
            g = self.dropout(self.conversation(torch.cat([u, q], 1), g))
            q = self.dropout(self.party(torch.cat([u, c], 1), q))
            e = self.dropout(self.emotion(q, e))
            parties = parties.scatter(1, place, q[:, None])
            past.append(g)
            emotions.append(e)
        return torch.stack(emotions, 1)


def _attended(asked: Tensor, past: list[Tensor]) -> Tensor:
    """What is asked for (B, D_G), of t - 1 states (B, D_G) of the conversation -> their weighted mean (B, D_G)."""
    states = torch.stack(past, 1)  # (B, t - 1, D_G)
    weights = (states @ asked[:, :, None]).softmax(1)  # (B, t - 1, 1)
    mean: Tensor = (weights * states).sum(1)
    return mean
