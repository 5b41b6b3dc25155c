"""One file or many, with what they tell of their making or without."""

from __future__ import annotations

import hashlib
import io
import shutil
import uuid
import zipfile
import zlib

import pytest
from django.core.files.base import ContentFile
from PIL import Image as Pillow
from PIL import ImageCms, PngImagePlugin

from gallery import intake
from gallery.files import inspect
from gallery.files.stripping import strip_bytes
from gallery.models import Album, AlbumItem, AlbumShare, Image
from tests import make
from tests.gallery import bad
from tests.gallery.test_media import FILM, wav

SECRET = b"a secret place"
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
MIME = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
MIME |= {"AVIF": "image/avif", "GIF": "image/gif"}


def telling(kind):
    """A picture with its prompt in every place that the format has, turned upright."""
    exif = Pillow.Exif()
    exif[0x0112], exif[0x010E] = 6, SECRET.decode()
    options = {"exif": exif, "icc_profile": ICC, "xmp": b"<x>" + SECRET + b"</x>"}
    if kind == "PNG":
        info = PngImagePlugin.PngInfo()
        for number, packed in enumerate((False, True)):
            info.add_text(f"prompt{number}", SECRET.decode(), zip=packed)
        info.add_itxt("workflow", SECRET.decode())
        options["pnginfo"] = info
    if kind in ("JPEG", "GIF"):
        options["comment"] = SECRET
    return bad.saved(kind, bad.gradient((64, 48)), **options)


@pytest.mark.parametrize("kind", MIME)
def test_stripping_leaves_every_pixel_and_no_word(kind):
    whole = telling(kind)
    bare = strip_bytes(whole, MIME[kind])
    assert SECRET in whole
    assert SECRET not in bare
    assert inspect(io.BytesIO(bare), max_pixels=10**6).mime_type == MIME[kind]
    with Pillow.open(io.BytesIO(whole)) as a, Pillow.open(io.BytesIO(bare)) as b:
        assert a.tobytes() == b.tobytes()
        if kind != "GIF":
            assert b.info["icc_profile"] == ICC
            assert b.getexif().get(0x0112) == 6
        assert not [v for v in b.info.values() if v in (SECRET, SECRET.decode())]


def test_stripping_an_animation_keeps_its_frames():
    frames = [Pillow.new("RGB", (20, 20), color) for color in ("red", "lime", "blue")]
    whole = io.BytesIO()
    exif = Pillow.Exif()
    exif[0x0110] = SECRET.decode()
    frames[0].save(whole, "WEBP", save_all=True, append_images=frames[1:], exif=exif)
    bare = strip_bytes(whole.getvalue(), "image/webp")
    assert SECRET not in bare
    with Pillow.open(io.BytesIO(bare)) as opened:
        assert opened.n_frames == 3


def test_stripping_a_film_moves_nothing_in_it():
    words = bad.box(b"udta", bad.box(b"meta", SECRET))
    ftyp_end = int.from_bytes(FILM[:4], "big")
    told = FILM[:ftyp_end] + bad.box(b"free", b"") + FILM[ftyp_end:] + words
    bare = strip_bytes(told, "video/mp4")
    assert SECRET not in bare
    assert len(bare) == len(told)
    media = FILM[FILM.index(b"mdat") :]
    assert bare.index(media) == told.index(media)


def test_stripping_a_sound_keeps_the_sound():
    plain = wav()
    told = plain + b"LIST" + len(SECRET).to_bytes(4, "little") + SECRET
    told = told[:4] + (len(told) - 8).to_bytes(4, "little") + told[8:]
    assert strip_bytes(told, "audio/wav") == plain


@pytest.fixture
def taken(alice):
    def take(content, owner=alice):
        row = Image(id=uuid.uuid4(), owner=owner, node="", kind="upload", index=0)
        return intake.take(io.BytesIO(content), row)

    return take


def body(response):
    return b"".join(response.streaming_content)


def test_one_file_without_metadata(taken, as_alice):
    whole = telling("PNG")
    image = taken(whole)
    response = as_alice.get(f"/gallery/{image.pk}/file/?download&metadata=strip")
    assert response["Content-Disposition"].startswith("attachment")
    assert response["Cache-Control"] == "private, no-store"
    bare = body(response)
    assert len(bare) == int(response["Content-Length"])
    assert SECRET not in bare
    assert hashlib.sha256(image.file.read()).hexdigest() == image.sha256
    by_api = as_alice.get(f"/api/gallery/images/{image.pk}/file?metadata=strip")
    assert body(by_api) == bare


def test_what_cannot_be_stripped_is_not_given(taken, as_alice, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    image = taken(b"OggS\0\x02" + bytes(20) + b"\x01\x13OpusHead" + bytes(11))
    response = as_alice.get(f"/gallery/{image.pk}/file/?metadata=strip")
    assert response.status_code == 422
    assert response.content.endswith(b".")


# Archives -------------------------------------------------------------------------


def archive(response):
    assert response["Content-Type"] == "application/zip"
    return zipfile.ZipFile(io.BytesIO(body(response)))


def test_a_selection_is_a_zip_of_the_files_as_they_are(taken, as_alice):
    contents = [make.png(color=color) for color in ("red", "blue")]
    images = [taken(content) for content in contents]
    response = as_alice.post("/gallery/download/", {"ids": [i.pk for i in images]})
    found = archive(response)
    assert found.testzip() is None
    assert {found.read(name) for name in found.namelist()} == set(contents)
    assert all(i.compress_type == zipfile.ZIP_STORED for i in found.infolist())
    assert {i.name for i in images} == set(found.namelist())


def test_an_archive_without_metadata(taken, as_alice):
    image = taken(telling("JPEG"))
    response = as_alice.get(f"/gallery/download/?ids={image.pk}&metadata=strip")
    found = archive(response)
    assert SECRET not in found.read(image.name)


def test_a_file_that_is_gone_has_a_text_in_its_place(taken, as_alice):
    lost, kept = taken(make.png(color="red")), taken(make.png(color="blue"))
    lost.file.storage.delete(lost.file.name)
    query = f"ids={lost.pk}&ids={kept.pk}"
    found = archive(as_alice.get(f"/gallery/download/?{query}"))
    assert set(found.namelist()) == {f"{lost.name}.txt", kept.name}
    assert b"could not be read" in found.read(f"{lost.name}.txt")


def test_two_files_of_one_name_are_both_there(taken, as_alice):
    one = taken(make.png(color="red"))
    twin = uuid.UUID(int=one.pk.int ^ 1)
    other = intake.take(
        io.BytesIO(make.png(color="blue")),
        Image(
            id=twin, owner=one.owner, node="", kind="u", index=0, created=one.created
        ),
    )
    assert one.name == other.name
    query = f"ids={one.pk}&ids={other.pk}"
    found = archive(as_alice.get(f"/gallery/download/?{query}"))
    assert len(set(found.namelist())) == 2


def test_a_hostile_name_on_a_shared_disk_leads_nowhere(taken, as_alice):
    image = taken(make.png())
    name = "images/x.d/../evil"
    image.file.storage.save("images/evil", ContentFile(b"x"))
    Image.objects.filter(pk=image.pk).update(file=name)
    found = archive(as_alice.get(f"/gallery/download/?ids={image.pk}"))
    for entry in found.namelist():
        assert "/" not in entry
        assert ".." not in entry


def test_an_album_in_its_order_also_for_whom_it_is_shared_with(
    taken, alice, as_alice, bob, as_bob
):
    images = [taken(make.png(color=color)) for color in ("red", "lime", "blue")]
    album = Album.objects.create(owner=alice, title="Sea")
    for place, image in zip((3, 1, 2), images, strict=True):
        AlbumItem.objects.create(album=album, image=image, position=place)
    address = f"/gallery/download/?album={album.pk}"
    assert as_bob.get(address).status_code == 422
    names = archive(as_alice.get(address)).namelist()
    assert names == [images[n].name for n in (1, 2, 0)]
    AlbumShare.objects.create(album=album, person=bob)
    assert as_bob.get(address).status_code in (200, 404)


def test_a_search(taken, as_alice):
    image, other = taken(make.png(color="red")), taken(make.png(color="blue"))
    Image.objects.filter(pk=image.pk).update(prompt="A harbour at dusk")
    found = archive(as_alice.get("/gallery/download/?q=dusk+harbour"))
    assert found.namelist() == [image.name]
    assert other.name not in found.namelist()


def test_others_pictures_are_as_if_they_did_not_exist(taken, as_bob, as_alice):
    image = taken(make.png())
    assert as_bob.get(f"/gallery/download/?ids={image.pk}").status_code == 404
    unknown = as_bob.get(f"/gallery/download/?ids={uuid.uuid4()}")
    assert unknown.status_code == 404


@pytest.mark.parametrize("query", ["", "ids=nonsense", "album=1", "q=+"])
def test_no_choice_is_told(query, as_alice):
    response = as_alice.get(f"/gallery/download/?{query}")
    assert response.status_code == 422
    assert response.content.endswith(b".")


def test_too_many_are_told(as_alice):
    ids = [str(uuid.uuid4()) for _ in range(501)]
    assert as_alice.post("/gallery/download/", {"ids": ids}).status_code == 422


def test_the_archive_is_made_while_it_is_sent(alice, monkeypatch):
    """No file is opened before the one ahead of it is gone."""
    from gallery import archive as archiving

    images = [make.image(alice) for _ in range(3)]
    opened = []
    real = archiving.stored
    monkeypatch.setattr(
        archiving, "stored", lambda file: (opened.append(file.name), real(file))[1]
    )
    chunks = archiving.zipped(images)
    next(chunks)
    assert len(opened) == 1
    assert zlib.crc32(b"".join(chunks))
    assert len(opened) == 3
