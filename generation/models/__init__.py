"""Servers, templates, jobs and their attempts; what people may use, what it took."""

from __future__ import annotations

from generation.models.duration import Duration
from generation.models.job import Attempt, Job
from generation.models.limits import GroupLimits, PersonLimits, Usage
from generation.models.preset import Preset, WordList
from generation.models.queue import QueueState
from generation.models.sample import Sample
from generation.models.server import Catalog, Server
from generation.models.webhook import CallbackSecret, Delivery, Webhook
from generation.models.workflow import Version, Workflow

__all__ = [
    "Attempt",
    "CallbackSecret",
    "Catalog",
    "Delivery",
    "Duration",
    "GroupLimits",
    "Job",
    "PersonLimits",
    "Preset",
    "QueueState",
    "Sample",
    "Server",
    "Usage",
    "Version",
    "Webhook",
    "WordList",
    "Workflow",
]
