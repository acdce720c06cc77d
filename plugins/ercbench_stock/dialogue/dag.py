"""DAG-ERC: a directed acyclic graph over the utterances of a dialogue."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ercbench_stock.dialogue.both_ways import BothWays
from ercbench_stock.dialogue.sequences import Sequences
from ercbench_stock.dialogue.settings import DagSettings
from ercbench_stock.dialogue.training import DialogueClassifier, deciding


class DagErc(DialogueClassifier):
    """DAG-ERC, in both directions where later turns may be read.

    **Reference**: Shen et al., ACL 2021, arXiv 2105.12907, sections 3.2 to 3.4.

    **Differs from the paper**: vectors of another encoder; they are part of what decides, and dropout is before the
    logits, as in the released code. The half of W_alpha that multiplies the utterance itself is left out: it adds the
    same to every weight, and softmax takes it away. Under the context protocol ``full`` a second graph with its edges
    the other way round stands beside it; the paper has none. Utterances without a label are left out.
    """

    name = "dag-erc"
    settings: DagSettings

    def network(self, dimension: int) -> nn.Module:
        """The network."""
        return DagNetwork(dimension, self.settings, self.classes, self.both_ways)


class DagNetwork(nn.Module):
    """Sequences -> logits (B, T, C) of the states of all layers and of the features themselves."""

    def __init__(self, dimension: int, settings: DagSettings, classes: int, both_ways: bool) -> None:
        super().__init__()
        self.graph = BothWays(lambda: Graph(dimension, settings), both_ways)
        states = settings.width * (settings.layers + 1) * (2 if both_ways else 1)
        self.deciding = deciding(states + dimension, settings, classes, settings.deciding_layers)

    def forward(self, batch: Sequences) -> Tensor:
        """Sequences -> logits (B, T, C)."""
        logits: Tensor = self.deciding(torch.cat([self.graph(batch), batch.features], 2))
        return logits


class Graph(nn.Module):
    """Sequences -> the states of all layers side by side, (B, T, (L + 1) W), with edges from earlier turns alone."""

    def __init__(self, dimension: int, settings: DagSettings) -> None:
        super().__init__()
        self.omega = settings.omega
        self.first = nn.Linear(dimension, settings.width)
        self.layers = nn.ModuleList(Layer(settings.width) for _ in range(settings.layers))

    def forward(self, batch: Sequences) -> Tensor:
        """Sequences -> states."""
        joined, same = edges(batch.speakers, self.omega)
        states = [self.first(batch.features).relu()]  # (B, T, W)
        for layer in self.layers:
            states.append(layer(states[-1], joined, same))
        return torch.cat(states, 2)


class Layer(nn.Module):
    """States of the layer below (B, T, W) -> those of this one, turn by turn, since later ones need earlier ones.

    Of turn i: the weights alpha_ij are the softmax of w h_j over the turns j with an edge to i; the message is
    M_i = sum_j alpha_ij W_r h_j, with one W_r for turns of the same speaker and one for those of others; and
    h_i = GRU_H(x_i, M_i) + GRU_M(M_i, x_i), where x_i is the state below, and the second argument is a GRU's state.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Linear(width, 1, bias=False)
        self.own = nn.Linear(width, width, bias=False)
        self.others = nn.Linear(width, width, bias=False)
        self.node = nn.GRUCell(width, width)
        self.context = nn.GRUCell(width, width)

    def forward(self, below: Tensor, joined: Tensor, same: Tensor) -> Tensor:
        """States (B, T, W), edges (B, T, T), and where they join turns of one speaker (B, T, T) -> states (B, T, W)."""
        states: list[Tensor] = []
        for i in range(below.shape[1]):
            x = below[:, i]  # (B, W)
            message = self._message(states, joined[:, i, :i], same[:, i, :i]) if states else torch.zeros_like(x)
            states.append(self.node(x, message) + self.context(message, x))  # (B, W)
        return torch.stack(states, 1)

    def _message(self, states: list[Tensor], joined: Tensor, same: Tensor) -> Tensor:
        """The states of earlier turns, and the edges (B, i) to them -> the message (B, W).

        W_r is applied to the sum over the turns of one relation, which is the same as the sum over each.
        """
        earlier = torch.stack(states, 1)  # (B, i, W)
        alpha = self.weight(earlier)[:, :, 0].masked_fill(~joined, -torch.inf).softmax(1)  # (B, i)
        by_relation = torch.stack([alpha * same, alpha * ~same], 1) @ earlier  # (B, 2, W)
        message: Tensor = self.own(by_relation[:, 0]) + self.others(by_relation[:, 1])
        return message


def edges(speakers: Tensor, omega: int) -> tuple[Tensor, Tensor]:
    """Speakers (B, T) -> where turn i has an edge from turn j, and where both have one speaker, (B, T, T) of bool.

    Edges go back from i - 1 to the omega-th turn of i's speaker, that one included, or to the first turn.
    """
    same = speakers[:, :, None] == speakers[:, None]  # (B, T, T)
    earlier = torch.ones_like(same[0]).tril(-1)  # (T, T)
    own = (same & earlier).long()  # (B, T, T)
    between = own.flip(2).cumsum(2).flip(2) - own  # turns of i's speaker after j and before i
    return earlier & (between < omega), same
