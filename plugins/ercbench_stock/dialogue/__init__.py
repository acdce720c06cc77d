"""Classifiers that read whole dialogues of vectors.

``sequences.py`` makes sequences of rows, ``training.py`` fits a network on them, ``both_ways.py`` adds the other
direction, and ``bilstm.py``, ``dialogue_rnn.py`` and ``dag.py`` are the networks. ``settings.py`` loads no torch.
"""
