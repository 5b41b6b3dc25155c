"""The settings that a picture carries in its file, whoever wrote them. Pure.

texts     the file's text chunks and EXIF, bounded
readers   those texts as settings: ComfyUI, SwarmUI, A1111 and Forge, InvokeAI
samplers  what other tools call ComfyUI's samplers
settings  what all of them come to
"""

from __future__ import annotations

from gallery.files import Seekable
from generation.metadata.readers import from_graph, from_texts
from generation.metadata.settings import Lora, Settings
from generation.metadata.texts import NoSettings, texts_of

__all__ = ["Lora", "NoSettings", "Seekable", "Settings", "from_graph", "read"]


def read(file: Seekable) -> Settings:
    """Raises NoSettings with a sentence where the file carries none that we know."""
    found = from_texts(texts_of(file))
    if found is None:
        raise NoSettings(
            "This picture carries no settings that can be read. Many sites and"
            " programs take them out when they save a picture."
        )
    return found
