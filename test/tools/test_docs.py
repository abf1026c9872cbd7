# SPDX-License-Identifier: Apache-2.0
# ctest: not-asan
"""What the documents name is there: files of the tree, and targets of the Makefile."""
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir()} - {"build"}


def named_paths(text):
    """`src/mem/mem.h`, but not `build/...` and not what has a placeholder in capitals."""
    for path in re.findall(r"`([\w.-]+/[\w./*-]*)`", text):
        if path.split("/")[0] in FOLDERS and not re.search(r"NAME|FOLDER", path):
            yield path


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_named_files_exist(document):
    gone = [path for path in named_paths(document.read_text()) if not list(ROOT.glob(path))]
    assert not gone


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_named_targets_exist(document):
    named = set(re.findall(r"(?:^ {4}|`)make ([a-z]+)", document.read_text(), re.M))
    assert named <= TARGETS
