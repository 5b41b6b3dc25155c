from __future__ import annotations

import base64
import json
import struct

from hypothesis import given
from hypothesis import strategies as st

from generation.comfy import messages as m
from tests.make import recording

json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
KINDS = list(m._READERS)


@given(st.text() | st.binary())
def test_it_never_raises(frame):
    assert m.parse(frame) is not None


@given(st.sampled_from(KINDS), json_values)
def test_it_never_raises_on_known_types_with_odd_data(kind, data):
    assert m.parse(json.dumps({"type": kind, "data": data})) is not None


@given(st.sampled_from([1, 2, 3, 4]), st.integers(0, 2**32 - 1), st.binary())
def test_it_never_raises_on_odd_binary(kind, second, rest):
    assert m.parse(struct.pack(">II", kind, second) + rest) is not None


def test_it_reads_a_preview_with_metadata():
    frames = recording("txt2img_with_previews")["frames"]
    binary = next(frame for frame in frames if frame.get("binary"))
    preview = m.parse(base64.b64decode(binary["base64"]))
    assert isinstance(preview, m.Preview)
    assert preview.node_id == "3"
    assert preview.mime_type == "image/jpeg"
    assert preview.data.startswith(b"\xff\xd8\xff")


def test_it_reads_an_anonymous_preview_and_a_nodes_text():
    assert m.parse(struct.pack(">II", 1, 2) + b"PNG") == m.Preview(
        None, None, "image/png", b"PNG"
    )
    text = struct.pack(">II", 3, 2) + b"12hello"
    assert m.parse(text) == m.NodeText(None, "12", "hello")


def test_no_recorded_frame_is_unknown():
    for name in ("txt2img_batch_of_2", "execution_error", "interrupted_mid_run"):
        for frame in recording(name)["frames"]:
            text = json.dumps({"type": frame["type"], "data": frame["data"]})
            assert not isinstance(m.parse(text), m.Unknown)
