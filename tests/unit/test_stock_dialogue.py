"""Classifiers over whole dialogues: the networks as their papers' equations say, and no turn read too early."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from ercbench_stock.dialogue import settings
from ercbench_stock.dialogue.bilstm import BiLstm
from ercbench_stock.dialogue.dag import DagErc, DagNetwork, edges
from ercbench_stock.dialogue.dialogue_rnn import DialogueRnn
from ercbench_stock.dialogue.sequences import Sequences, backwards, dialogues_of, padded
from ercbench_stock.dialogue.training import DialogueClassifier, batch_loss
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from ercbench import Context, LabelSet, PluginError, Representation

pytestmark = pytest.mark.usefixtures("one_thread")

LABELS = LabelSet.of({"glad": "joyful", "grim": "mad", "calm": "calm"})
C, D = len(LABELS), 4
PAST, FULL = Context(past="all"), Context(protocol="full", past="all", future="all")
SMALL: dict[str, dict[str, Any]] = {
    "bilstm": {"state": 5, "layers": 2, "width": 6},
    "dialogue-rnn": {"global_state": 5, "party_state": 6, "emotion_state": 4, "width": 6},
    "dag-erc": {"width": 5, "layers": 3},
}
KINDS: dict[str, tuple[type[DialogueClassifier], type[settings.DialogueSettings]]] = {
    "bilstm": (BiLstm, settings.BiLstmSettings),
    "dialogue-rnn": (DialogueRnn, settings.DialogueRnnSettings),
    "dag-erc": (DagErc, settings.DagSettings),
}
each_kind = pytest.mark.parametrize("kind", KINDS)
each_way = pytest.mark.parametrize("context", [PAST, FULL], ids=["past", "full"])


def classifier(kind: str, context: Context = PAST, **values: Any) -> DialogueClassifier:
    """A small one."""
    made, model = KINDS[kind]
    return made(model(**{**SMALL[kind], **values}), LABELS, context)


TALK = ("abbaabab", "aab", "abcbcab", "a")
"""By dialogue: who speaks."""


def rows(talk: Sequence[str] = TALK, width: int = D, seed: int = 0) -> Representation:
    """Dialogues as vectors that say nothing, with labels drawn at random."""
    draw = np.random.default_rng(seed)
    uids = tuple(f"toy/train/{d}/{t}" for d, who in enumerate(talk) for t in range(len(who)))
    vectors = draw.normal(size=(len(uids), width)).astype(np.float32)
    labels = draw.integers(0, C, len(uids))
    return Representation(uids, vectors, vectors, labels=labels, speakers=tuple("".join(talk)))


def sequences(found: Representation, dialogues: Sequence[int] | None = None) -> Sequences:
    """Its dialogues, or some of them, as a batch of float64."""
    all_of_them = dialogues_of(found)
    chosen = all_of_them if dialogues is None else [all_of_them[i] for i in dialogues]
    batch = padded(chosen, found.vectors, found.speakers or ())
    return Sequences(batch.features.double(), batch.speakers, batch.lengths, batch.rows)


def network(kind: str, context: Context = PAST, seed: int = 3, **values: Any) -> nn.Module:
    """A small network of float64 in evaluation."""
    torch.manual_seed(seed)
    return classifier(kind, context, **values).network(D).double().eval()


# --------------------------------------------------------------------------------------- loops, equation by equation


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Element by element."""
    return 1 / (1 + np.exp(-x))


def weights_of(module: nn.Module) -> dict[str, np.ndarray]:
    """Parameters by name."""
    return {name: value.detach().numpy() for name, value in module.named_parameters()}


def gru(cell: nn.Module, x: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Cho et al. 2014, with the reset gate after the product, as torch has it."""
    w = weights_of(cell)
    of_x = np.split(w["weight_ih"] @ x + w["bias_ih"], 3)
    of_h = np.split(w["weight_hh"] @ h + w["bias_hh"], 3)
    r, z = sigmoid(of_x[0] + of_h[0]), sigmoid(of_x[1] + of_h[1])
    n = np.tanh(of_x[2] + r * of_h[2])
    return (1 - z) * n + z * h


def lstm(w: dict[str, np.ndarray], suffix: str, said: list[np.ndarray]) -> list[np.ndarray]:
    """Hochreiter and Schmidhuber 1997 with a forget gate, over the vectors of one dialogue."""
    width = w[f"weight_hh_{suffix}"].shape[1]
    h, c, states = np.zeros(width), np.zeros(width), []
    for x in said:
        gates = (
            w[f"weight_ih_{suffix}"] @ x
            + w[f"bias_ih_{suffix}"]
            + w[f"weight_hh_{suffix}"] @ h
            + w[f"bias_hh_{suffix}"]
        )
        i, f, g, o = np.split(gates, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    return states


def decided(parts: nn.Module, x: np.ndarray) -> np.ndarray:
    """Z = ReLU(W z + b) for every hidden layer, then the logits."""
    layers = [part for part in parts if isinstance(part, nn.Linear)]  # type: ignore[attr-defined]
    for layer in layers[:-1]:
        x = np.maximum(layer.weight.detach().numpy() @ x + layer.bias.detach().numpy(), 0)
    return layers[-1].weight.detach().numpy() @ x + layers[-1].bias.detach().numpy()


Loop = Callable[[Any, list[np.ndarray], str], list[np.ndarray]]


def bilstm_loop(net: Any, said: list[np.ndarray], who: str) -> list[np.ndarray]:
    """Poria et al.: what each LSTM says of its turn, both directions side by side, layer upon layer."""
    w, states = weights_of(net.lstm), said
    for layer in range(2):
        ways = [lstm(w, f"l{layer}", states)]
        if net.lstm.bidirectional:
            ways.append(lstm(w, f"l{layer}_reverse", states[::-1])[::-1])
        states = [np.concatenate(of_turn) for of_turn in zip(*ways, strict=True)]
    return [decided(net.deciding, h) for h in states]


def both_ways(ways: Any, loop: Loop, said: list[np.ndarray], who: str) -> list[np.ndarray]:
    """States of the turns in one direction, and beside them those of the other network from the last turn on."""
    states = loop(ways.forwards, said, who)
    if ways.backwards is None:
        return states
    later = loop(ways.backwards, said[::-1], who[::-1])[::-1]
    return [np.concatenate(pair) for pair in zip(states, later, strict=True)]


def dialogue_rnn_states(net: Any, said: list[np.ndarray], who: str) -> list[np.ndarray]:
    """Majumder et al., equations 1 to 8, one turn after the other, a state per speaker in a dictionary."""
    size = net.settings
    parties = {speaker: np.zeros(size.party_state) for speaker in who}
    w_alpha = net.attention.weight.detach().numpy()
    history, e, found = [], np.zeros(size.emotion_state), []
    for u, speaker in zip(said, who, strict=True):
        g_before = history[-1] if history else np.zeros(size.global_state)
        g = gru(net.conversation, np.concatenate([u, parties[speaker]]), g_before)
        c = np.zeros(size.global_state)
        if history:
            raw = np.array([(w_alpha @ u) @ past for past in history])
            alpha = np.exp(raw) / np.exp(raw).sum()
            c = sum(a * past for a, past in zip(alpha, history, strict=True))
        parties[speaker] = gru(net.party, np.concatenate([u, c]), parties[speaker])
        e = gru(net.emotion, parties[speaker], e)
        history.append(g)
        found.append(e)
    return found


def dialogue_rnn_loop(net: Any, said: list[np.ndarray], who: str) -> list[np.ndarray]:
    """Equations 9 and 10."""
    return [decided(net.deciding, e) for e in both_ways(net.states, dialogue_rnn_states, said, who)]


def predecessors(who: str, i: int, omega: int) -> list[int]:
    """Shen et al., algorithm 1: from the turn before back to the omega-th of the same speaker."""
    found, own, j = [], 0, i - 1
    while j >= 0 and own < omega:
        found.append(j)
        own += who[j] == who[i]
        j -= 1
    return found


def dag_states(net: Any, said: list[np.ndarray], who: str) -> list[np.ndarray]:
    """Shen et al., section 3.3, layer by layer and turn by turn, with all of W_alpha: its other half cancels."""
    below = [np.maximum(net.first.weight.detach().numpy() @ u + net.first.bias.detach().numpy(), 0) for u in said]
    found = [below]
    of_query = np.random.default_rng(9).normal(size=len(below[0]))
    for layer in net.layers:
        w_alpha = np.concatenate([layer.weight.weight.detach().numpy()[0], of_query])
        states: list[np.ndarray] = []
        for i, x in enumerate(below):
            before = predecessors(who, i, net.omega)
            raw = np.array([w_alpha @ np.concatenate([states[j], x]) for j in before])
            alpha = np.exp(raw) / np.exp(raw).sum()
            message = np.zeros_like(x)
            for a, j in zip(alpha, before, strict=True):
                relation = layer.own if who[i] == who[j] else layer.others
                message = message + a * (relation.weight.detach().numpy() @ states[j])
            states.append(gru(layer.node, x, message) + gru(layer.context, message, x))
        below = states
        found.append(states)
    return [np.concatenate(of_turn) for of_turn in zip(*found, strict=True)]


def dag_loop(net: Any, said: list[np.ndarray], who: str) -> list[np.ndarray]:
    """Section 3.4, with the features beside the states."""
    states = both_ways(net.graph, dag_states, said, who)
    return [decided(net.deciding, np.concatenate([h, u])) for h, u in zip(states, said, strict=True)]


LOOPS: dict[str, Loop] = {"bilstm": bilstm_loop, "dialogue-rnn": dialogue_rnn_loop, "dag-erc": dag_loop}


@each_way
@each_kind
def test_a_batch_is_what_the_papers_equations_give_turn_by_turn(kind: str, context: Context) -> None:
    """To 1e-6 in float64, for dialogues of several lengths and speakers, padded in one batch."""
    net, batch = network(kind, context), sequences(rows())
    logits = net(batch).detach().numpy()
    for place, who in enumerate(TALK):
        said = list(batch.features[place, : len(who)].numpy())
        np.testing.assert_allclose(logits[place, : len(who)], LOOPS[kind](net, said, who), atol=1e-6)


@pytest.mark.parametrize("omega", [1, 2, 9])
def test_edges_end_at_the_speakers_own_turn(omega: int) -> None:
    """The vectorised edges are those of the paper's algorithm, and never lead to a later turn."""
    batch = sequences(rows())
    joined, same = edges(batch.speakers, omega)
    for place, who in enumerate(TALK):
        for i in range(len(who)):
            assert joined[place, i].nonzero().flatten().tolist() == sorted(predecessors(who, i, omega))
            assert same[place, i, : len(who)].tolist() == [other == who[i] for other in who]
    net = network("dag-erc", omega=omega)
    said = list(batch.features[0].numpy())
    np.testing.assert_allclose(net(batch)[0].detach().numpy(), dag_loop(net, said, TALK[0]), atol=1e-6)


@each_way
@each_kind
def test_dialogues_of_a_batch_do_not_touch(kind: str, context: Context) -> None:
    """Each alone gives what it gives among others, longer and shorter ones."""
    net, found = network(kind, context), rows()
    together = net(sequences(found))
    for place, who in enumerate(TALK):
        alone = net(sequences(found, [place]))
        torch.testing.assert_close(together[place, : len(who)], alone[0], atol=1e-9, rtol=0)


@each_way
@each_kind
def test_a_gradient_reaches_every_parameter(kind: str, context: Context) -> None:
    """None of the network is left as it was drawn."""
    net, found = network(kind, context), rows()
    batch_loss(net, sequences(found), torch.from_numpy(found.labels), None).backward()
    still = [name for name, value in net.named_parameters() if value.grad is None or not value.grad.abs().max() > 0]
    assert still == []


def test_backwards_turns_dialogues_round_and_leaves_padding() -> None:
    """Twice gives what was there; padding stays at the end."""
    given = torch.arange(2 * 3 * 2).reshape(2, 3, 2)
    lengths = torch.tensor([3, 2])
    turned = backwards(given, lengths)
    assert turned[0].tolist() == given[0].flip(0).tolist()
    assert turned[1].tolist() == [given[1, 1].tolist(), given[1, 0].tolist(), given[1, 2].tolist()]
    assert torch.equal(backwards(turned, lengths), given)


def test_dialogues_are_found_by_their_uids() -> None:
    """In whatever order the rows come, and with turns that are not there."""
    uids = ("toy/dev/1/10", "toy/dev/0/3", "toy/dev/1/9", "toy/dev/0/0")
    nothing = np.zeros((4, 1), dtype=np.float32)
    assert [rows.tolist() for rows in dialogues_of(Representation(uids, nothing, nothing))] == [[2, 0], [3, 1]]


# ------------------------------------------------------------------------------------------------------------- training


def test_the_loss_is_a_mean_by_the_weights_of_the_labels() -> None:
    """As a loop adds it up, with scikit-learn's balanced weights, over turns that are there."""
    found = rows()
    gold = torch.from_numpy(found.labels)
    net, batch = network("bilstm"), sequences(found)
    weights = classifier("bilstm", class_weight="balanced")._weights(found.labels)
    assert weights is not None
    theirs = compute_class_weight("balanced", classes=np.arange(C), y=found.labels)
    np.testing.assert_allclose(weights, theirs, rtol=1e-6)
    assert classifier("bilstm")._weights(found.labels) is None
    for given in (None, weights.double()):
        total, weight = 0.0, 0.0
        for place, of_dialogue in enumerate(batch.rows):
            for turn, row in enumerate(of_dialogue):
                label = int(found.labels[row])
                scores = net(batch)[place, turn].detach().numpy()
                counts = 1.0 if given is None else float(given[label])
                total += counts * (math.log(np.exp(scores).sum()) - scores[label])
                weight += counts
        assert batch_loss(net, batch, gold, given).item() == pytest.approx(total / weight, rel=1e-9)


def test_a_label_that_train_lacks_weighs_something_finite() -> None:
    """Nothing is divided by nothing."""
    weights = classifier("bilstm", class_weight="balanced")._weights(np.array([0, 0, 2]))
    assert torch.isfinite(weights).all()


@each_kind
def test_a_state_per_epoch_drawn_from_the_seed_alone(kind: str) -> None:
    """The same seed gives the same states, another seed others; torch's own random numbers are left as they were."""
    torch.manual_seed(11)
    before = torch.random.get_rng_state()
    runs = [classifier(kind, epochs=3, dropout=0.4).fit(rows(), None, seed) for seed in (1, 1, 2)]
    scores = [[state.score(rows(seed=5)) for state in states] for states in runs]
    assert torch.equal(torch.random.get_rng_state(), before)
    assert [len(states) for states in runs] == [3, 3, 3]
    assert all(np.array_equal(one, other) for one, other in zip(scores[0], scores[1], strict=True))
    assert not np.array_equal(scores[0][0], scores[2][0])
    assert not np.array_equal(scores[0][0], scores[0][1])


@each_kind
def test_what_is_standardised_is_kept_with_the_state(kind: str) -> None:
    """With standardise, any scale and place of the features gives the same scores, in a restored state too."""
    found = rows()
    moved = Representation(
        found.uids, found.hidden, found.vectors * 50 + 7, labels=found.labels, speakers=found.speakers
    )
    made = classifier(kind, epochs=2, standardise=True)
    [plain, other] = [made.fit(given, None, 0)[-1] for given in (found, moved)]
    np.testing.assert_allclose(plain.score(found), other.score(moved), atol=1e-3)
    again = classifier(kind, epochs=2, standardise=True).restore(other.tensors())
    assert np.array_equal(again.score(moved), other.score(moved))
    assert all(value.dtype == np.float32 for value in other.tensors().values())


def test_speakers_are_read_by_those_that_have_a_use_for_them() -> None:
    """Told of other speakers, DialogueRNN and DAG-ERC score otherwise; names as such make no difference."""
    found = rows()
    renamed, mixed = ("".join(TALK).translate(str.maketrans(*pair)) for pair in (("abc", "xyz"), ("ab", "aa")))
    for kind, reads in (("bilstm", False), ("dialogue-rnn", True), ("dag-erc", True)):
        state = classifier(kind, epochs=1).fit(found, None, 0)[0]
        scores = [
            state.score(Representation(found.uids, found.hidden, found.vectors, speakers=tuple(who)))
            for who in ("".join(TALK), renamed, mixed)
        ]
        assert np.array_equal(scores[0], scores[1])
        assert np.array_equal(scores[0], scores[2]) is not reads


@each_kind
def test_what_is_missing_is_told(kind: str) -> None:
    """The training split, its labels, who spoke, vectors: each by name."""
    found = rows()
    with pytest.raises(PluginError, match=f"{kind} needs the training split"):
        classifier(kind).fit(None, None, 0)
    with pytest.raises(PluginError, match=f"{kind} needs to know who spoke"):
        classifier(kind).fit(Representation(found.uids, found.hidden, found.vectors, labels=found.labels), None, 0)
    nothing = np.zeros((len(found.uids), 0), dtype=np.float32)
    bare = Representation(found.uids, nothing, nothing, labels=found.labels, speakers=found.speakers)
    with pytest.raises(PluginError, match=f"{kind} needs vectors"):
        classifier(kind).fit(bare, None, 0)


# ------------------------------------------------------------------------------------------------- who reads what


def planted(turns: int, seed: int) -> Representation:
    """Dialogues in which the label of turn t stands in the vector of turn t + `turns`, and nowhere else."""
    found = rows(["abababab"] * 40, C, seed)
    vectors = 0.1 * found.vectors
    labels = found.labels.reshape(-1, 8)  # (dialogues, turns)
    moved = np.roll(labels, turns, axis=1)
    table = vectors.reshape(-1, 8, C)
    inside = slice(turns, None) if turns > 0 else slice(None, turns)
    table[:, inside] += 2 * np.eye(C, dtype=np.float32)[moved[:, inside]]
    return Representation(found.uids, vectors, vectors, labels=found.labels, speakers=found.speakers)


WIDER: dict[str, dict[str, Any]] = {
    "bilstm": {"state": 16, "layers": 1},
    "dialogue-rnn": {"emotion_state": 16},
    "dag-erc": {"width": 16, "layers": 2},
}


def accuracy(kind: str, context: Context, turns: int) -> float:
    """The best of all states on other dialogues, over turns whose label stands anywhere."""
    small = {"epochs": 12, "lr": 0.02, "dropout": 0.0, "batch_size": 8, **WIDER[kind]}
    states = classifier(kind, context, **small).fit(planted(turns, 1), None, 0)
    test = planted(turns, 2)
    inside = np.arange(8) < 8 - turns if turns > 0 else np.arange(8) >= -turns
    bare = Representation(test.uids, test.hidden, test.vectors, speakers=test.speakers)
    right = [(state.score(bare).argmax(1) == test.labels).reshape(-1, 8)[:, inside].mean() for state in states]
    return float(max(right))


@each_kind
def test_no_future_turn_is_seen_under_past(kind: str) -> None:
    """The label of a turn stands in the next one: under past that is of no use, under full it is learnt."""
    assert accuracy(kind, PAST, 1) < 0.45  # one in three by chance
    assert accuracy(kind, FULL, 1) > 0.9


@each_kind
def test_past_turns_are_seen(kind: str) -> None:
    """The label of a turn stands in the one before: it is learnt."""
    assert accuracy(kind, PAST, -1) > 0.9


def test_layers_and_hidden_layers_are_as_many_as_asked() -> None:
    """The settings of DAG-ERC make the network that they say."""
    net: Any = classifier("dag-erc", layers=4, deciding_layers=3).network(D)
    assert isinstance(net, DagNetwork)
    assert len(net.graph.forwards.layers) == 4
    shapes = [part.weight.shape for part in net.deciding if isinstance(part, nn.Linear)]
    assert shapes == [(5, 5 * 5 + D), (5, 5), (5, 5), (C, 5)]
    assert net.graph.backwards is None
