"""Servers, workflow templates, jobs and their attempts."""

from __future__ import annotations

from generation.models.job import Attempt, Job
from generation.models.server import Catalog, Server
from generation.models.workflow import Parameter, Workflow

__all__ = ["Attempt", "Catalog", "Job", "Parameter", "Server", "Workflow"]
