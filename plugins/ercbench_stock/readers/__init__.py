"""Readers, one module per data set: `meld`, `emorynlp`, `iemocap`. What they share stands in `files`."""
