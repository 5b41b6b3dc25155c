"""The real processes, started as a deployment starts them, for tests from outside.

`Embedded` is one process on SQLite; `ScaledOut` is two of each behind nginx, on
PostgreSQL and Redis. Both look the same to a test. `python -m tests.stack` starts the
second one for looking at it: `make scale`.
"""

from __future__ import annotations

from tests.stack.deployments import Embedded, ScaledOut
from tests.stack.process import PATIENCE, Missing, free_port, until
from tests.stack.simulators import Simulator
from tests.stack.visitor import PASSWORD, Visitor

__all__ = [
    "PASSWORD",
    "PATIENCE",
    "Embedded",
    "Missing",
    "ScaledOut",
    "Simulator",
    "Visitor",
    "free_port",
    "until",
]
