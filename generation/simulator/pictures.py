"""Pictures instead of diffusion: drawn from prompt and seed, the same every time."""

from __future__ import annotations

import colorsys
import hashlib
import io
import math
import random
from dataclasses import astuple, dataclass
from functools import lru_cache

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, ImageOps

Size = tuple[int, int]
Color = tuple[int, int, int]
PREVIEW_SIDE = 256
# Pictures are composed at most this large, then enlarged: shapes are soft anyway.
CANVAS_SIDE = 640


@dataclass(frozen=True)
class Scene:
    """All that decides a picture besides its size."""

    prompt: str
    negative: str = ""
    seed: int = 0
    index: int = 0
    style: str = ""

    def random(self, purpose: str, *, with_seed: bool = True) -> random.Random:
        """A generator of its own for each purpose, so that parts stay independent."""
        parts = [purpose, self.prompt, self.negative, self.style]
        if with_seed:
            parts += [str(self.seed), str(self.index)]
        digest = hashlib.sha256("\0".join(parts).encode()).digest()
        return random.Random(digest)


@dataclass(frozen=True)
class Palette:
    """Colours from dark ground to light sky, and one that stands out."""

    deep: Color
    middle: Color
    soft: Color
    light: Color
    accent: Color


def draw(scene: Scene, size: Size) -> Image.Image:
    """Draw a scene with its caption, in RGB; about 0.1 s for 512x512."""
    scale = min(1.0, CANVAS_SIDE / max(size))
    canvas = max(8, round(size[0] * scale)), max(8, round(size[1] * scale))
    kinds = (_hills, _sea, _aurora, _hills, _ribbons, _orbs, _sea, _aurora)
    kind = kinds[scene.random("kind").randrange(len(kinds))]
    image = kind(scene, canvas, _palette(scene))
    image = _finish(scene, image)
    if image.size != size:
        image = image.resize(size, Image.Resampling.BICUBIC)
    return caption(image, scene)


# From dark ground to light sky, then the colour that stands out.
PALETTES = (
    Palette(
        (27, 20, 56), (92, 58, 120), (214, 112, 130), (255, 221, 180), (255, 158, 94)
    ),
    Palette(
        (10, 32, 54), (26, 94, 125), (104, 180, 190), (226, 246, 236), (255, 196, 120)
    ),
    Palette(
        (16, 36, 34), (48, 92, 78), (138, 176, 132), (238, 240, 208), (244, 190, 98)
    ),
    Palette(
        (48, 22, 48), (134, 62, 100), (226, 140, 150), (255, 232, 220), (255, 190, 130)
    ),
    Palette(
        (14, 24, 52), (58, 96, 150), (150, 194, 222), (240, 250, 255), (126, 232, 200)
    ),
    Palette(
        (56, 26, 30), (142, 70, 52), (224, 146, 92), (255, 232, 190), (250, 204, 110)
    ),
    Palette(
        (24, 16, 60), (82, 60, 160), (166, 132, 220), (240, 228, 255), (255, 150, 190)
    ),
    Palette(
        (12, 40, 48), (32, 110, 116), (246, 150, 120), (255, 236, 214), (255, 112, 100)
    ),
    Palette(
        (40, 30, 62), (120, 90, 140), (240, 170, 190), (255, 240, 240), (255, 205, 150)
    ),
    Palette(
        (12, 16, 36), (44, 52, 92), (150, 120, 110), (252, 228, 176), (255, 190, 80)
    ),
    Palette(
        (18, 44, 58), (54, 128, 130), (146, 212, 184), (244, 252, 226), (255, 170, 130)
    ),
    Palette(
        (24, 30, 40), (74, 92, 112), (160, 178, 190), (240, 240, 234), (240, 140, 100)
    ),
)


def _palette(scene: Scene) -> Palette:
    """One palette per prompt, which the seed turns a little."""
    base = scene.random("palette", with_seed=False).choice(PALETTES)
    turn = scene.random("turn").uniform(-0.035, 0.035)
    return Palette(*(_turned(color, turn) for color in astuple(base)))


def _turned(color: Color, turn: float) -> Color:
    hue, saturation, value = colorsys.rgb_to_hsv(*(part / 255 for part in color))
    red, green, blue = colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def mix(first: Color, second: Color, share: float) -> Color:
    """``share`` 0 gives the first colour, 1 the second."""
    red, green, blue = (
        round(a + (b - a) * share) for a, b in zip(first, second, strict=True)
    )
    return red, green, blue


def _gradient(size: Size, stops: list[Color]) -> Image.Image:
    """A smooth vertical blend through the colours, the first on top."""
    column = Image.new("RGB", (1, len(stops)))
    column.putdata(stops)
    # Enlarging keeps half a stop flat at each end; crop it away.
    box = (0, 0.5, 1, len(stops) - 0.5)
    return column.resize(size, Image.Resampling.BICUBIC, box=box)


def _glow(image: Image.Image, center: Size, radius: float, color: Color) -> None:
    """Lighten a soft disc into the picture, in place."""
    side = max(4, round(radius * 2))
    # The gradient reaches 180 at the middle of an edge: the disc must end there.
    mask = Image.radial_gradient("L").resize((side, side), Image.Resampling.BICUBIC)
    mask = mask.point(lambda v: round(255 * max(0.0, 1 - v / 180) ** 2))
    layer = Image.new("RGB", (side, side), color)
    corner = center[0] - side // 2, center[1] - side // 2
    below = image.crop((*corner, corner[0] + side, corner[1] + side))
    light = ImageChops.screen(
        below, Image.composite(layer, layer.point(lambda v: 0), mask)
    )
    image.paste(light, corner)


def _waves(chance: random.Random, width: int, height: float) -> list[float]:
    """Heights of a ridge at each column: a few sines of falling size."""
    parts = [
        (height * 0.5**n, chance.uniform(0.6, 1.5) * 1.9**n, chance.uniform(0, 6.3))
        for n in range(4)
    ]
    return [
        sum(a * math.sin(f * x / width * 6.3 + p) for a, f, p in parts)
        for x in range(0, width + 4, 4)
    ]


def _ridge(image: Image.Image, base: float, heights: list[float], color: Color) -> None:
    """Fill everything below a ridge line, with smooth edges, in place."""
    width, height = image.size
    mask = Image.new("L", (width * 2, height * 2))
    line = [(x * 8, (base - value) * 2) for x, value in enumerate(heights)]
    bottom = [(width * 2 + 8, height * 2), (0, height * 2)]
    ImageDraw.Draw(mask).polygon([*line, *bottom], fill=255)
    image.paste(color, mask=mask.reduce(2))


def _disc(image: Image.Image, center: Size, radius: float, color: Color) -> None:
    side = max(3, round(radius * 2))
    mask = Image.new("L", (side * 4, side * 4))
    ImageDraw.Draw(mask).ellipse((0, 0, side * 4 - 1, side * 4 - 1), fill=255)
    corner = center[0] - side // 2, center[1] - side // 2
    image.paste(color, corner, mask.reduce(4))


def _stars(image: Image.Image, chance: random.Random, color: Color) -> None:
    width, height = image.size
    pen = ImageDraw.Draw(image)
    for _ in range(width * height // 2600):
        x, y = chance.randrange(width), int(height * chance.random() ** 1.6)
        sky = image.getpixel((x, y))
        below = sky if isinstance(sky, tuple) else (0, 0, 0)
        star = mix((below[0], below[1], below[2]), color, chance.uniform(0.25, 0.95))
        pen.point((x, y), fill=star)
        if chance.random() < 0.12:
            pen.ellipse((x - 1, y - 1, x + 1, y + 1), fill=star)


def _sun(scene: Scene, image: Image.Image, palette: Palette) -> Size:
    chance = scene.random("sun")
    width, height = image.size
    center = (
        round(width * chance.uniform(0.2, 0.8)),
        round(height * chance.uniform(0.22, 0.5)),
    )
    radius = min(width, height) * chance.uniform(0.06, 0.13)
    _glow(image, center, radius * 6, mix(palette.accent, palette.light, 0.3))
    _glow(image, center, radius * 2.4, palette.light)
    _disc(image, center, radius, mix(palette.light, palette.accent, 0.25))
    return center


def _sky(palette: Palette) -> list[Color]:
    warm = mix(palette.accent, palette.light, 0.45)
    upper = mix(palette.deep, palette.middle, 0.55)
    return [upper, palette.middle, palette.soft, warm, palette.light]


def _hills(scene: Scene, size: Size, palette: Palette) -> Image.Image:
    """A low sun behind ranges of hills that sink into haze."""
    chance = scene.random("hills")
    image = _gradient(size, _sky(palette))
    _sun(scene, image, palette)
    layers = chance.randint(4, 6)
    for layer in range(layers):
        near = (layer + 1) / layers
        base = size[1] * (0.5 + 0.42 * near)
        height = size[1] * (0.05 + 0.06 * near) * chance.uniform(0.7, 1.2)
        color = mix(palette.soft, palette.deep, near**0.8)
        _ridge(image, base, _waves(chance, size[0], height), color)
    return image


def _aurora(scene: Scene, size: Size, palette: Palette) -> Image.Image:
    """Curtains of light over a dark ridge, under stars."""
    chance = scene.random("aurora")
    width, height = size
    night = mix(palette.deep, (4, 6, 20), 0.55)
    image = _gradient(size, [mix(night, (0, 0, 0), 0.4), night, palette.deep])
    _stars(image, chance, palette.light)
    for color in (
        palette.accent,
        palette.soft,
        mix(palette.accent, palette.light, 0.4),
    ):
        mask = _curtain(chance, size)
        light = Image.composite(
            Image.new("RGB", size, color), Image.new("RGB", size), mask
        )
        image = ImageChops.screen(image, light)
    for near in (0.4, 1.0):
        ridge = _waves(chance, width, height * 0.07)
        _ridge(
            image,
            height * (0.78 + 0.12 * near),
            ridge,
            mix(night, (0, 0, 0), near * 0.6),
        )
    return image


def _curtain(chance: random.Random, size: Size) -> Image.Image:
    """A mask of rays that hang from nowhere and end in a bright, wavy hem."""
    width, height = size[0] // 2 + 1, size[1] // 2 + 1
    curtain = Image.new("L", (width, height))
    pen = ImageDraw.Draw(curtain)
    hem = _waves(chance, width, height * 0.12)
    rays = _waves(chance, width * 6, 1.0)
    middle = height * chance.uniform(0.45, 0.66)
    for x in range(width):
        ray = rays[(x * 6 // 4) % len(rays)] + chance.uniform(-0.35, 0.35)
        strength = min(max(0.42 + 0.3 * ray, 0.05), 1.0)
        foot = middle - hem[x // 4]
        piece = max(height * (0.3 + 0.16 * ray), 0.0) / 10
        for part in range(10):
            # Brightest near the hem, fading upwards.
            shade = round(200 * strength * (1 - part / 10) ** 1.5)
            low = foot - piece * part
            pen.line((x, low - piece, x, low), fill=shade)
    blurred = curtain.filter(ImageFilter.GaussianBlur(max(1.5, width / 110)))
    return blurred.resize(size, Image.Resampling.BICUBIC)


def _orbs(scene: Scene, size: Size, palette: Palette) -> Image.Image:
    """Translucent discs and rings that overlap on a soft ground."""
    chance = scene.random("orbs")
    width, height = size
    image = _gradient(size, [palette.light, palette.soft, palette.middle, palette.deep])
    colors = [palette.accent, palette.soft, palette.light, palette.middle]
    for _ in range(chance.randint(8, 13)):
        radius = min(size) * chance.uniform(0.06, 0.32)
        center = chance.randrange(width), chance.randrange(height)
        mask = Image.new("L", (width * 2, height * 2))
        box = [(c + s) * 2 for s in (-radius, radius) for c in center]
        pen = ImageDraw.Draw(mask)
        strength = chance.randint(70, 190)
        if chance.random() < 0.3:
            pen.ellipse(box, outline=strength, width=max(2, round(radius * 0.16)))
        else:
            pen.ellipse(box, fill=strength)
        faded = ImageChops.multiply(mask.reduce(2), _slope(size, chance))
        image.paste(chance.choice(colors), mask=faded)
    return image


def _slope(size: Size, chance: random.Random) -> Image.Image:
    """A mask that fades in one of four directions."""
    slope = Image.linear_gradient("L").rotate(90 * chance.randrange(4))
    return slope.point(lambda v: 90 + v * 165 // 255).resize(size)


def _ribbons(scene: Scene, size: Size, palette: Palette) -> Image.Image:
    """Broad bands that flow across, each a shade further."""
    chance = scene.random("ribbons")
    width, height = size
    image = _gradient(size, [palette.deep, palette.middle])
    colors = [palette.deep, palette.middle, palette.accent, palette.soft, palette.light]
    bands = chance.randint(7, 10)
    for band in range(bands):
        share = band / (bands - 1)
        place = share * (len(colors) - 1)
        low = min(int(place), len(colors) - 2)
        color = mix(colors[low], colors[low + 1], place - low)
        shadow = Image.new("L", size)
        line = _waves(chance, width, height * 0.09)
        base = height * (0.08 + 0.9 * share)
        points = [(x * 4, base - v - height * 0.02) for x, v in enumerate(line)]
        ImageDraw.Draw(shadow).line(points, fill=110, width=max(3, height // 26))
        soft = shadow.filter(ImageFilter.BoxBlur(height / 50))
        image.paste(mix(palette.deep, (0, 0, 0), 0.5), mask=soft)
        _ridge(image, base, line, color)
    return (
        image.transpose(Image.Transpose.ROTATE_180) if chance.random() < 0.4 else image
    )


def _sea(scene: Scene, size: Size, palette: Palette) -> Image.Image:
    """A sun over water, with its broken reflection."""
    chance = scene.random("sea")
    width, height = size
    horizon = round(height * chance.uniform(0.52, 0.64))
    sky = _gradient((width, horizon), _sky(palette))
    x, _ = _sun(scene, sky, palette)
    image = Image.new("RGB", size)
    image.paste(sky)
    mirrored = ImageOps.flip(sky).resize((width, height - horizon))
    water = Image.blend(mirrored, Image.new("RGB", mirrored.size, palette.deep), 0.5)
    image.paste(water, (0, horizon))
    pen = ImageDraw.Draw(image)
    for row in range(horizon + 2, height, 3):
        depth = (row - horizon) / (height - horizon)
        reach = width * (0.05 + 0.16 * depth) * chance.uniform(0.3, 1.0)
        shift = width * 0.03 * chance.uniform(-1, 1)
        color = mix(palette.light, palette.accent, min(1.0, depth * 0.9))
        pen.line((x + shift - reach, row, x + shift + reach, row), fill=color)
    if chance.random() < 0.7:
        ridge = [abs(v) for v in _waves(chance, width, height * 0.06)]
        far = image.crop((0, 0, width, horizon))
        _ridge(far, horizon, ridge, mix(palette.middle, palette.deep, 0.55))
        image.paste(far)
    return image


def _finish(scene: Scene, image: Image.Image) -> Image.Image:
    """Darken the corners a little and add fine grain."""
    corners = Image.radial_gradient("L").point(lambda v: max(0, v - 110) // 2)
    dark = Image.new("RGB", image.size, (8, 8, 18))
    image = Image.composite(dark, image, corners.resize(image.size))
    grain = scene.random("grain").randbytes(96 * 96)
    tile = Image.frombytes("L", (96, 96), grain).point(lambda v: 121 + v * 14 // 255)
    noise = Image.new("L", image.size)
    for left in range(0, image.width, 96):
        for top in range(0, image.height, 96):
            noise.paste(tile, (left, top))
    return ImageChops.overlay(image, Image.merge("RGB", (noise, noise, noise)))


def repaint(
    source: Image.Image, drawn: Image.Image, denoise: float, scene: Scene
) -> Image.Image:
    """Image-to-image: tint the source by the drawn picture, as far as ``denoise``."""
    share = min(max(denoise, 0.0), 1.0)
    base = ImageOps.fit(source.convert("RGB"), drawn.size)
    palette = _palette(scene)
    tinted = ImageOps.colorize(
        ImageOps.autocontrast(ImageOps.grayscale(base)),
        palette.deep,
        palette.light,
        mid=mix(palette.middle, palette.accent, 0.4),
    )
    lit = Image.blend(tinted, ImageChops.soft_light(tinted, drawn), 0.6)
    if share <= 0.7:
        return caption(Image.blend(base, lit, share / 0.7), scene)
    return caption(Image.blend(lit, drawn, (share - 0.7) / 0.3), scene)


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def caption(image: Image.Image, scene: Scene) -> Image.Image:
    """Write on a small bar at the bottom that this is simulated, and what of."""
    width, height = image.size
    bar = max(12, min(height // 16, 44))
    if height < bar * 2:
        return image
    image = image.copy()
    box = (0, height - bar, width, height)
    strip = image.crop(box).filter(ImageFilter.BoxBlur(bar / 4))
    strip = Image.blend(strip, Image.new("RGB", strip.size, (10, 12, 20)), 0.72)
    pen, font = ImageDraw.Draw(strip), _font(max(8, round(bar * 0.48)))
    edge, middle = round(bar * 0.4), bar / 2
    label, number = "SIMULATED", f"seed {scene.seed}"
    if scene.index:
        number += f" +{scene.index}"
    pen.text((edge, middle), label, (255, 255, 255), font, "lm")
    left = edge + pen.textlength(label, font) + edge
    right = width - edge - pen.textlength(number, font)
    if right > left:
        pen.text((right, middle), number, (190, 196, 208), font, "lm")
    words = _shortened(scene.prompt, right - left - edge, pen, font)
    if words:
        pen.text((left, middle), words, (222, 226, 234), font, "lm")
    image.paste(strip, box)
    return image


def _shortened(
    text: str,
    room: float,
    pen: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> str:
    """The first words that fit into ``room`` pixels, with … if some are left out."""
    words = text.split()
    for count in range(min(len(words), 12), 0, -1):
        part = " ".join(words[:count]) + ("" if count == len(words) else "…")
        if pen.textlength(part, font) <= room:
            return part
    return ""


def shrink(image: Image.Image) -> Image.Image:
    """The base of a run's previews."""
    return ImageOps.contain(image, (PREVIEW_SIDE, PREVIEW_SIDE))


def preview(small: Image.Image, noise: float, step: int) -> bytes:
    """A JPEG of the picture half made: blurred and noisy as ``noise`` (0 to 1)."""
    image = small
    if noise > 0.01:
        factor = 1 + noise * 18
        low = max(2, round(small.width / factor)), max(2, round(small.height / factor))
        image = small.resize(low, Image.Resampling.BOX)
        image = image.resize(small.size, Image.Resampling.BICUBIC)
        grain = random.Random(step).randbytes(64 * 64 * 3)
        cloud = Image.frombytes("RGB", (64, 64), grain).resize(small.size)
        image = Image.blend(image, cloud, noise * 0.45)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=82)
    return buffer.getvalue()
