"""`python -m tests.storage.fill N`: pictures for a process's own data folder."""

from __future__ import annotations

import sys

import django

django.setup()

from tests import make  # noqa: E402

owner = make.user("alice")
for number in range(int(sys.argv[1])):
    make.image(owner, prompt=str(number))
