"""Is a record what it says? Every check of a results folder or a submission, without torch, executing nothing of it.

A record is verified when its predictions, scored again with the gold labels that are here, give its scores to the last
bit, and it agrees with itself, with its files, and with the plugins that are installed. That the predictions were made
by the model which the record names, only running its command again can show.

Reading order: ``untrusted.py`` (how a stranger's file is read), ``findings.py`` (what is said of it), ``reading.py``,
``claims.py``, ``installed.py``, ``outputs.py``, ``scores.py`` (the checks), ``verifier.py`` (one record), ``folder.py``
(all of a folder), ``submitted.py`` (a submission's manifest).
"""

from __future__ import annotations

from ercbench.verification.findings import Finding
from ercbench.verification.folder import FolderReport, verify_folder
from ercbench.verification.verifier import Checked, Verifier, verify_record

__all__ = ["Checked", "Finding", "FolderReport", "Verifier", "verify_folder", "verify_record"]
