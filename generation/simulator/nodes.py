"""What the supported nodes compute. Their values are small stand-ins for tensors."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image, ImageOps

from generation.simulator import outputs, pictures
from generation.simulator.files import FileStore

Inputs = dict[str, Any]
Images = list[Image.Image]

# Seconds at speed 1; a 20-step picture after a model change takes about 6.
LOAD_SECONDS, STEP_SECONDS, DECODE_SECONDS = 1.5, 0.2, 0.4
SAMPLERS = ("KSampler", "KSamplerAdvanced")
SAVERS = {"SaveImage": "output", "PreviewImage": "temp"}
FILTERS = {
    "nearest-exact": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "area": Image.Resampling.BOX,
    "bicubic": Image.Resampling.BICUBIC,
    "bislerp": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True)
class Model:
    """A loaded checkpoint (also standing for its CLIP and VAE)."""

    name: str
    loras: tuple[str, ...] = ()


@dataclass(frozen=True)
class Latent:
    """A batch of latents: its size in pixels and, once drawn, its pictures."""

    width: int
    height: int
    batch: int
    images: tuple[Image.Image, ...] = ()


@dataclass(frozen=True)
class Sampling:
    """One sampler run in plain terms."""

    seed: int
    steps: int
    denoise: float
    positive: str
    negative: str
    style: str
    latent: Latent

    @classmethod
    def of(cls, inputs: Inputs) -> Sampling:
        """Read KSampler's or KSamplerAdvanced's inputs."""
        steps, denoise = inputs["steps"], inputs.get("denoise", 1.0)
        if "noise_seed" in inputs:
            total = max(steps, 1)
            end = min(inputs["end_at_step"], total)
            steps = max(end - inputs["start_at_step"], 0)
            denoise = steps / total
        model: Model = inputs["model"]
        return cls(
            seed=inputs["noise_seed"] if "noise_seed" in inputs else inputs["seed"],
            steps=steps,
            denoise=denoise,
            positive=inputs["positive"],
            negative=inputs["negative"],
            style="|".join((model.name, *model.loras)),
            latent=inputs["latent_image"],
        )

    def draw(self) -> Latent:
        """Draw the whole batch; slow, so call it in a thread."""
        size = self.latent.width, self.latent.height
        images = []
        for index in range(self.latent.batch):
            scene = pictures.Scene(
                self.positive, self.negative, self.seed, index, self.style
            )
            image = pictures.draw(scene, size)
            if self.latent.images:
                source = self.latent.images[index % len(self.latent.images)]
                image = pictures.repaint(source, image, self.denoise, scene)
            images.append(image)
        return replace(self.latent, images=tuple(images))


def _checkpoint(inputs: Inputs) -> tuple[Any, ...]:
    model = Model(inputs["ckpt_name"])
    return model, model, model


def _lora(inputs: Inputs) -> tuple[Any, ...]:
    added = inputs["lora_name"], f"{inputs['strength_model']:g}"
    model: Model = inputs["model"]
    changed = replace(model, loras=(*model.loras, ":".join(added)))
    return changed, inputs["clip"]


def _empty_latent(inputs: Inputs) -> tuple[Any, ...]:
    width, height = inputs["width"] // 8 * 8, inputs["height"] // 8 * 8
    return (Latent(width, height, inputs["batch_size"]),)


def _encode(inputs: Inputs) -> tuple[Any, ...]:
    images: Images = inputs["pixels"]
    width, height = (max(side // 8 * 8, 8) for side in images[0].size)
    fitted = tuple(ImageOps.fit(image, (width, height)) for image in images)
    return (Latent(width, height, len(fitted), fitted),)


def _decode(inputs: Inputs) -> tuple[Any, ...]:
    latent: Latent = inputs["samples"]
    if latent.images:
        return (list(latent.images),)
    # An undenoised latent decodes to flat grey-brown, as with a real VAE.
    grey = Image.new("RGB", (latent.width, latent.height), (136, 122, 110))
    return ([grey] * latent.batch,)


def _scaled_size(size: tuple[int, int], width: int, height: int) -> tuple[int, int]:
    """A side of 0 keeps the proportions; both 0 keep the size."""
    if width == 0 and height == 0:
        return size
    if width == 0:
        return max(1, round(size[0] * height / size[1])), height
    if height == 0:
        return width, max(1, round(size[1] * width / size[0]))
    return width, height


def _scale(images: Images, inputs: Inputs) -> Images:
    size = _scaled_size(images[0].size, inputs["width"], inputs["height"])
    method = FILTERS[inputs["upscale_method"]]
    if inputs["crop"] == "center":
        return [ImageOps.fit(image, size, method) for image in images]
    return [image.resize(size, method) for image in images]


def _scale_latent(inputs: Inputs) -> tuple[Any, ...]:
    latent: Latent = inputs["samples"]
    current = latent.width, latent.height
    width, height = _scaled_size(current, inputs["width"], inputs["height"])
    width, height = max(width // 8 * 8, 8), max(height // 8 * 8, 8)
    images = list(latent.images)
    if images:
        images = _scale(images, {**inputs, "width": width, "height": height})
    return (Latent(width, height, latent.batch, tuple(images)),)


def _repeat_latent(inputs: Inputs) -> tuple[Any, ...]:
    latent: Latent = inputs["samples"]
    amount = inputs["amount"]
    return (
        replace(latent, batch=latent.batch * amount, images=latent.images * amount),
    )


def _empty_image(inputs: Inputs) -> tuple[Any, ...]:
    color = inputs["color"]
    rgb = (color >> 16) & 255, (color >> 8) & 255, color & 255
    flat = Image.new("RGB", (inputs["width"], inputs["height"]), rgb)
    return ([flat] * inputs["batch_size"],)


COMPUTE: dict[str, Callable[[Inputs], tuple[Any, ...]]] = {
    "CheckpointLoaderSimple": _checkpoint,
    "LoraLoader": _lora,
    "CLIPTextEncode": lambda inputs: (inputs["text"],),
    "CLIPSetLastLayer": lambda inputs: (inputs["clip"],),
    "EmptyLatentImage": _empty_latent,
    "EmptySD3LatentImage": _empty_latent,
    "VAELoader": lambda inputs: (Model(inputs["vae_name"]),),
    "VAEEncode": _encode,
    "VAEDecode": _decode,
    "LatentUpscale": _scale_latent,
    "RepeatLatentBatch": _repeat_latent,
    "EmptyImage": _empty_image,
    "ImageScale": lambda inputs: (_scale(inputs["image"], inputs),),
    "CreateVideo": outputs.create_video,
    "EmptyAudio": outputs.empty_audio,
    "ImageInvert": lambda inputs: ([ImageOps.invert(i) for i in inputs["image"]],),
}


def load_image(files: FileStore, inputs: Inputs) -> tuple[Any, ...]:
    """Read an uploaded picture and its mask. Raises what Pillow raises."""
    with Image.open(files.path("input", "", inputs["image"])) as opened:
        image = ImageOps.exif_transpose(opened)
        mask = image.getchannel("A") if "A" in image.getbands() else None
        return [image.convert("RGB")], mask


def save_images(
    files: FileStore, class_type: str, inputs: Inputs, suffix: str, texts: Inputs
) -> dict[str, Any]:
    """Save a batch; return what the node shows (``{"images": […]}``)."""
    folder = SAVERS[class_type]
    prefix = inputs.get("filename_prefix", f"ComfyUI_temp_{suffix}")
    return {"images": files.save_images(inputs["images"], prefix, folder, texts)}


def loudness(step: int, steps: int) -> float:
    """How noisy a preview still is: 1 before the first step, 0 after the last."""
    return math.pow(1 - step / max(steps, 1), 1.3)
