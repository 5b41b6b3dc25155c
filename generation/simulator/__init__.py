"""A server that speaks ComfyUI's API and draws instead of computing.

It needs no GPU, no models and no Django: the development server, the tests and
the benchmarks all run against it over real sockets.
"""

from __future__ import annotations

from generation.simulator.faults import Faults, HttpError
from generation.simulator.server import Simulator

__all__ = ["Faults", "HttpError", "Simulator"]
