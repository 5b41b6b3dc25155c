"""What other tools call ComfyUI's samplers and schedulers."""

from __future__ import annotations

import re

# By the letters and digits of a name alone, so that "DPM++ 2M SDE", "dpmpp_2m_sde"
# and "DPM plus plus 2M SDE" are looked up alike.
SAMPLERS = {
    "euler": "euler",
    "eulera": "euler_ancestral",
    "eulerancestral": "euler_ancestral",
    "keuler": "euler",
    "keulera": "euler_ancestral",
    "keulerancestral": "euler_ancestral",
    "heun": "heun",
    "lms": "lms",
    "dpm2": "dpm_2",
    "kdpm2": "dpm_2",
    "dpm2a": "dpm_2_ancestral",
    "kdpm2a": "dpm_2_ancestral",
    "dpm2ancestral": "dpm_2_ancestral",
    "dpmfast": "dpm_fast",
    "dpmadaptive": "dpm_adaptive",
    "dpmpp2sa": "dpmpp_2s_ancestral",
    "dpmpp2s": "dpmpp_2s_ancestral",
    "dpmpp2sancestral": "dpmpp_2s_ancestral",
    "dpmppsde": "dpmpp_sde",
    "dpmpp2m": "dpmpp_2m",
    "dpmpp2msde": "dpmpp_2m_sde",
    "dpmpp2msdeheun": "dpmpp_2m_sde_heun",
    "dpmpp3msde": "dpmpp_3m_sde",
    "ddim": "ddim",
    "ddimcfgpp": "ddim",
    "ddpm": "ddpm",
    "unipc": "uni_pc",
    "unipcbh2": "uni_pc_bh2",
    "lcm": "lcm",
    "deis": "deis",
    "ipndm": "ipndm",
}
SCHEDULERS = {
    "normal": "normal",
    "uniform": "normal",
    "karras": "karras",
    "exponential": "exponential",
    "polyexponential": "exponential",
    "sgmuniform": "sgm_uniform",
    "simple": "simple",
    "ddim": "ddim_uniform",
    "ddimuniform": "ddim_uniform",
    "beta": "beta",
    "kloptimal": "kl_optimal",
    "linearquadratic": "linear_quadratic",
}
# Schedulers that A1111 and InvokeAI once wrote behind the sampler's name.
ENDINGS = (
    (" sgm uniform", "sgm_uniform"),
    (" exponential", "exponential"),
    (" karras", "karras"),
    ("_k", "karras"),
)
NO_SCHEDULER = frozenset({"", "automatic"})


def names(sampler: str, scheduler: str = "") -> tuple[str, str]:
    """ComfyUI's (sampler, scheduler) for those of any tool; unknown ones as they are.

    The scheduler is empty where neither says one.
    """
    base, told = sampler.strip(), scheduler.strip()
    if told.lower() in NO_SCHEDULER:
        told = ""
    for ending, meant in ENDINGS:
        if base.lower().endswith(ending):
            base, told = base[: -len(ending)], told or meant
            break
    return (
        SAMPLERS.get(_letters(base), base),
        SCHEDULERS.get(_letters(told), told),
    )


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower().replace("++", "pp"))
