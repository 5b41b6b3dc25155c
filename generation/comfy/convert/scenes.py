"""What nodes with a 3D view send: where its camera stands, and pictures of the scene.

The pictures are taken by the page and uploaded at the moment of a run. The names here
are such as a page gives; whoever runs the workflow has to upload pictures under them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from generation.comfy.convert.javascript import as_read, is_number, number
from generation.comfy.convert.model import Node, defined, mapping

CONFIG = "Camera Config"
LAST_MODEL = "Last Time Model File"
FOV = 35
# Half the height of what a camera without perspective sees.
HALF = 5
Vector = tuple[float, float, float]


def pictures(node: Node) -> dict[str, Any]:
    """The value of a scene that the page takes pictures of."""
    return {
        "image": "threed/scene_0.png [temp]",
        "mask": "threed/scene_mask_0.png [temp]",
        "normal": "threed/scene_normal_0.png [temp]",
        **view(node),
        "recording": "",
    }


def preview(node: Node) -> dict[str, Any]:
    """The value of a scene that shows a result of an earlier run, if there was one."""
    shown = view(node, restored=bool(node.properties.get(LAST_MODEL)))
    return {"image": "", "mask": "", "normal": "", **shown, "recording": ""}


def view(node: Node, *, restored: bool = True) -> dict[str, Any]:
    config = mapping(node.properties.get(CONFIG)) if restored else {}
    info = as_read(camera(config, _aspect(node)))
    return {"camera_info": info, "model_3d_info": []}


def _aspect(node: Node) -> float:
    sides = [node.widget("width"), node.widget("height")]
    width, height = (number(w.get(), 1) if w is not None else 1 for w in sides)
    return width / height if height else 1


def camera(config: Mapping[str, Any], aspect: float) -> dict[str, Any]:
    state = mapping(config.get("state"))
    position = _vector(state.get("position"), 10)
    target = _vector(state.get("target"), 0)
    kind = defined(config.get("cameraType"), "perspective")
    perspective = kind != "orthographic"
    position = _orbited(position, target)
    wide = HALF if perspective else HALF * aspect
    return {
        "position": dict(zip("xyz", position, strict=True)),
        "target": dict(zip("xyz", target, strict=True)),
        "zoom": number(state.get("zoom"), 1),
        "cameraType": "perspective" if perspective else "orthographic",
        "quaternion": _facing(position, target),
        "fov": number(config.get("fov"), FOV) if perspective else FOV,
        "aspect": aspect if perspective else 1,
        "near": 0.01,
        "far": 10000,
        "frustum": {"left": -wide, "right": wide, "top": HALF, "bottom": -HALF},
    }


def _vector(value: object, default: float) -> Vector:
    parts = [mapping(value).get(axis) for axis in "xyz"]
    x, y, z = (number(p, default) if is_number(p) else default for p in parts)
    return x, y, z


def _orbited(position: Vector, target: Vector) -> Vector:
    """The position as it comes back from the angles in which a page keeps it."""
    x, y, z = (p - t for p, t in zip(position, target, strict=True))
    radius = math.sqrt(x * x + y * y + z * z)
    if not radius or not math.isfinite(radius):
        return position
    theta, phi = math.atan2(x, z), math.acos(max(-1, min(1, y / radius)))
    side = math.sin(phi) * radius
    return (
        target[0] + side * math.sin(theta),
        target[1] + math.cos(phi) * radius,
        target[2] + side * math.cos(theta),
    )


def _facing(position: Vector, target: Vector) -> dict[str, float]:
    """The rotation of a camera that looks at the target, as a quaternion."""
    back = _unit(
        (position[0] - target[0], position[1] - target[1], position[2] - target[2])
    )
    if not any(back):
        back = (0, 0, 1)
    right = _unit((back[2], 0, -back[0]))
    if not any(right):
        return {"x": 0, "y": 0, "z": 0, "w": 1}
    up = (
        back[1] * right[2] - back[2] * right[1],
        back[2] * right[0] - back[0] * right[2],
        back[0] * right[1] - back[1] * right[0],
    )
    return _quaternion(right, up, back)


def _unit(vector: Vector) -> Vector:
    length = math.sqrt(sum(part * part for part in vector))
    if not length or not math.isfinite(length):
        return (0, 0, 0)
    # As a page does it, so that also the last digits are the same.
    factor = 1 / length
    return vector[0] * factor, vector[1] * factor, vector[2] * factor


def _quaternion(right: Vector, up: Vector, back: Vector) -> dict[str, float]:
    (m11, m21, m31), (m12, m22, m32), (m13, m23, m33) = right, up, back
    if (trace := m11 + m22 + m33) > 0:
        s = 0.5 / math.sqrt(trace + 1)
        x, y, z, w = (m32 - m23) * s, (m13 - m31) * s, (m21 - m12) * s, 0.25 / s
    elif m11 > m22 and m11 > m33:
        s = 2 * math.sqrt(1 + m11 - m22 - m33)
        x, y, z, w = 0.25 * s, (m12 + m21) / s, (m13 + m31) / s, (m32 - m23) / s
    elif m22 > m33:
        s = 2 * math.sqrt(1 + m22 - m11 - m33)
        x, y, z, w = (m12 + m21) / s, 0.25 * s, (m23 + m32) / s, (m13 - m31) / s
    else:
        s = 2 * math.sqrt(1 + m33 - m11 - m22)
        x, y, z, w = (m13 + m31) / s, (m23 + m32) / s, 0.25 * s, (m21 - m12) / s
    return {"x": x, "y": y, "z": z, "w": w}
