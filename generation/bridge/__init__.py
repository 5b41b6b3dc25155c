"""The bridge: claims jobs, drives them on ComfyUI servers, hands over the results."""

from __future__ import annotations

from generation.bridge.service import Bridge

__all__ = ["Bridge"]
