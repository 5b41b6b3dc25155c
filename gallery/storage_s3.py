"""Files in a bucket: S3, R2 and what else speaks their language."""

from __future__ import annotations

import io
import mimetypes
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.auth import SIGV4_TIMESTAMP, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.exceptions import HTTPClientError as HTTPError
from django.core.files.base import File
from storages.backends.s3 import S3Storage

from gallery.storage_base import CHUNK, Damaged, Digest, Listed, StorageAway, digest

PART = 8 * 1024 * 1024
CACHE_CONTROL = "private, max-age=31536000, immutable"
# An address stays the same for this long and works for twice as long.
SIGNED_FOR = 3600
# What a browser may show from the bucket, where no policy of ours goes along.
SHOWN = ("image/", "video/", "audio/")
for _kind, _ending in (("image/webp", ".webp"), ("image/avif", ".avif")):
    mimetypes.add_type(_kind, _ending)


@contextmanager
def reaching(name: str = "") -> Iterator[None]:
    """boto's many errors as FileNotFoundError or StorageAway."""
    try:
        yield
    except ClientError as exc:
        code = str(exc.response.get("Error", {}).get("Code", ""))
        status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if status == 404 and code != "NoSuchBucket":
            raise FileNotFoundError(f"{name} is not in the bucket.") from exc
        raise StorageAway(f"The bucket refuses us ({code or status}).") from exc
    except (BotoCoreError, Boto3Error, HTTPError) as exc:
        message = f"The bucket does not answer ({type(exc).__name__})."
        raise StorageAway(message) from exc


class S3Home(S3Storage):  # type: ignore[misc]
    """A bucket, by one client for the process. Raises StorageAway and Damaged.

    The stock class makes a client per thread, and Django's ASGI handler runs every
    request on a fresh thread: 130 ms for each page that signs an address. It also
    reads a whole file into memory before the first byte can be had.
    """

    # For who asks the bucket for more than storages do.
    reaching = staticmethod(reaching)

    def __init__(self, **options: Any) -> None:
        # R2 refuses the checksum trailers that boto3 sends by default. Signed
        # payloads instead: the server checks the SHA-256 of every part it gets.
        options["client_config"] = Config(
            signature_version="s3v4",
            s3={"addressing_style": "path", "payload_signing_enabled": True},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=3,
            read_timeout=30,
            retries={"mode": "standard", "total_max_attempts": 2},
            max_pool_connections=32,
        )
        options["transfer_config"] = TransferConfig(
            multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=4
        )
        # Signed addresses lead there; django-storages would leave them unsigned.
        self.public_host = options.pop("custom_domain", None)
        super().__init__(**options)
        self._shared: Any = None
        self._lock = threading.Lock()

    @property
    def connection(self) -> Any:
        with self._lock:
            if self._shared is None:
                self._shared = super().connection
            return self._shared

    @property
    def client(self) -> Any:
        return self.connection.meta.client

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        # Our names are made from ids: the same name is the same file once more.
        return name

    # Writing ------------------------------------------------------------------

    def _save(self, name: str, content: File[Any]) -> str:
        sent = digest(content)
        about = self._about(name, sent)
        with reaching(name):
            if sent.bytes <= PART:
                self._put(name, content.read(), sent, about)
            else:
                # boto closes what it is given.
                body = _KeptOpen(content)
                self.bucket.Object(name).upload_fileobj(
                    body, ExtraArgs=about, Config=self.transfer_config
                )
                self._check(name, sent)
        return name

    def _put(self, name: str, data: bytes, sent: Digest, about: dict[str, Any]) -> None:
        answer = self.client.put_object(
            Bucket=self.bucket_name,
            Key=name,
            Body=data,
            ContentMD5=b64encode(sent.md5).decode(),
            **about,
        )
        _check_tag(name, answer.get("ETag", ""), sent)

    def _check(self, name: str, sent: Digest) -> None:
        head = self.client.head_object(Bucket=self.bucket_name, Key=name)
        if head["ContentLength"] != sent.bytes:
            message = f"{name} has {head['ContentLength']} of {sent.bytes} bytes."
            raise Damaged(message)
        _check_tag(name, head.get("ETag", ""), sent)

    def _about(self, name: str, sent: Digest) -> dict[str, Any]:
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        about = {"CacheControl": CACHE_CONTROL, "Metadata": {"sha256": sent.sha256}}
        if kind.startswith(SHOWN) and kind != "image/svg+xml":
            return about | {"ContentType": kind}
        return about | {
            "ContentType": "application/octet-stream",
            "ContentDisposition": "attachment",
        }

    # Reading ------------------------------------------------------------------

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        if mode != "rb":
            raise ValueError("Files of a bucket are opened for reading only.")
        raw = RemoteFile(self.client, self.bucket_name, name, self.size(name))
        return File(io.BufferedReader(raw, CHUNK), name)

    def exists(self, name: str) -> bool:
        try:
            self.size(name)
        except FileNotFoundError:
            return False
        return True

    def size(self, name: str) -> int:
        with reaching(name):
            head = self.client.head_object(Bucket=self.bucket_name, Key=name)
        return int(head["ContentLength"])

    def delete(self, name: str) -> None:
        with reaching(name):
            self.client.delete_object(Bucket=self.bucket_name, Key=name)

    def walk(self, prefix: str = "") -> Iterator[Listed]:
        """Every file below the prefix, a thousand to a call."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket_name, Prefix=prefix
        )
        with reaching(prefix):
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield Listed(entry["Key"], entry["Size"], entry["LastModified"])

    def abort_uploads(self, before: datetime) -> int:
        """End the uploads that a killed process left half done; how many."""
        ended = 0
        with reaching():
            answer = self.client.list_multipart_uploads(Bucket=self.bucket_name)
            for upload in answer.get("Uploads", ()):
                if upload["Initiated"] < before:
                    which = {k: upload[k] for k in ("Key", "UploadId")}
                    self.client.abort_multipart_upload(Bucket=self.bucket_name, **which)
                    ended += 1
        return ended

    # Addresses ----------------------------------------------------------------

    def signed_url(
        self,
        name: str,
        *,
        content_type: str = "",
        disposition: str = "",
        now: float | None = None,
    ) -> str:
        """An address that works for one to two hours, for whoever has it.

        Made without a call, and the same for all who ask within an hour, so that
        browsers cache what they get. `now` is in seconds since 1970.
        """
        at = datetime.now(UTC).timestamp() if now is None else now
        signer = _RoundedAuth(
            Credentials(self.access_key, self.secret_key),
            self.region_name or "us-east-1",
            at - at % SIGNED_FOR,
        )
        wanted = {
            "response-cache-control": CACHE_CONTROL,
            "response-content-type": content_type,
            "response-content-disposition": disposition,
        }
        words = urlencode({k: v for k, v in wanted.items() if v}, quote_via=quote)
        path = quote(f"/{self.bucket_name}/{name}", safe="/~")
        request = AWSRequest("GET", f"{self.origin}{path}?{words}")
        signer.add_auth(request)
        return str(request.url)

    @property
    def origin(self) -> str:
        """Scheme and host that signed addresses begin with."""
        if self.public_host:
            host = str(self.public_host)
            return host if "://" in host else f"https://{host}"
        if self.endpoint_url:
            return str(self.endpoint_url).rstrip("/")
        return f"https://s3.{self.region_name or 'us-east-1'}.amazonaws.com"


class _RoundedAuth(S3SigV4QueryAuth):  # type: ignore[misc]
    """Signs as if it were `at` (seconds since 1970); valid for two hours from then."""

    def __init__(self, credentials: Credentials, region: str, at: float) -> None:
        super().__init__(credentials, "s3", region, expires=2 * SIGNED_FOR)
        self._at = datetime.fromtimestamp(at, UTC).strftime(SIGV4_TIMESTAMP)

    def _modify_request_before_signing(self, request: AWSRequest) -> None:
        request.context["timestamp"] = self._at
        super()._modify_request_before_signing(request)


def _check_tag(name: str, tag: str, sent: Digest) -> None:
    """The ETag of a file in one part is its MD5; of several parts it is not."""
    seen = tag.strip('"').lower()
    if len(seen) == 32 and "-" not in seen and seen != sent.md5.hex():
        raise Damaged(f"{name} arrived in the bucket with other content.")


class _KeptOpen:
    """A file that boto cannot close: it is still needed."""

    def __init__(self, file: File[Any]) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell

    def close(self) -> None:
        """What boto calls; the file stays open."""


class RemoteFile(io.RawIOBase):
    """A file of a bucket, read from where it is asked for, in constant memory."""

    def __init__(self, client: Any, bucket: str, name: str, size: int) -> None:
        super().__init__()
        self._client, self._bucket, self._name = client, bucket, name
        self._size, self._at = size, 0
        self._body: Any = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}
        at = max(0, base[whence] + offset)
        if at != self._at:
            self._drop()
        self._at = at
        return at

    def readinto(self, buffer: Any) -> int:
        if self._at >= self._size:
            return 0
        if self._body is None:
            self._body = self._opened()
        with reaching(self._name):
            data = self._body.read(len(buffer))
        if not data:
            # The connection ended early: an error, never the end of the file.
            raise StorageAway(f"{self._name} arrived incompletely.")
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _opened(self) -> Any:
        wanted = {"Range": f"bytes={self._at}-"} if self._at else {}
        with reaching(self._name):
            answer = self._client.get_object(
                Bucket=self._bucket, Key=self._name, **wanted
            )
            body = answer["Body"]
            # Some servers answer a range with the whole file.
            skip = self._at if self._at and "ContentRange" not in answer else 0
            while skip > 0 and (passed := body.read(min(CHUNK, skip))):
                skip -= len(passed)
        return body

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None

    def close(self) -> None:
        self._drop()
        super().close()
