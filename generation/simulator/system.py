"""What the simulator says about itself where ComfyUI describes the machine."""

from __future__ import annotations

import platform
from typing import Any

GIB = 1 << 30
VERSION, OLD_VERSION = "0.26.0", "0.3.10"
HOME_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>ComfyUI simulator</title>
<style>body{font:1rem/1.6 system-ui;max-width:40rem;margin:4rem auto;padding:0 1rem}
</style></head><body><h1>ComfyUI simulator</h1>
<p>This is <strong>not</strong> ComfyUI. It speaks the same API and draws its pictures
instead of computing them, so that everything can be tried without a GPU.</p>
<p>See <a href="/system_stats">/system_stats</a>, <a href="/queue">/queue</a>,
<a href="/simulator/executions">/simulator/executions</a> and
<a href="/simulator/faults">/simulator/faults</a>.</p></body></html>
"""


def stats(*, modern: bool) -> dict[str, Any]:
    """The answer of ``GET /system_stats``: one pretended device of 12 GiB."""
    return {
        "system": {
            "os": "linux",
            "ram_total": 32 * GIB,
            "ram_free": 24 * GIB,
            "comfyui_version": VERSION if modern else OLD_VERSION,
            "required_frontend_version": "1.45.19",
            "installed_templates_version": "0.10.3",
            "required_templates_version": "0.10.3",
            "comfy_package_versions": [
                {
                    "name": "comfyui-frontend-package",
                    "installed": "1.45.19",
                    "required": "1.45.19",
                }
            ],
            "python_version": platform.python_version(),
            "pytorch_version": "simulated",
            "embedded_python": False,
            "deploy_environment": "simulator",
            "argv": ["manage.py", "simulator"],
        },
        "devices": [
            {
                "name": "Simulated GPU",
                "type": "cuda",
                "index": 0,
                "vram_total": 12 * GIB,
                "vram_free": 9 * GIB,
                "torch_vram_total": 4 * GIB,
                "torch_vram_free": 1 * GIB,
            }
        ],
    }
