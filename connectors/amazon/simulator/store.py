"""The store behind the presigned addresses: documents handed in and documents made by Amazon."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from werkzeug.wrappers import Request, Response

LINK_LIFE = 300.0


@dataclass
class Document:
    """A document and its presigned address."""

    number: str
    signature: str
    kind: str
    until: float
    body: bytes | None = None
    served: str = "application/octet-stream"
    """The content type it is served with."""


class Store:
    """All documents, by number."""

    def __init__(self, chance: random.Random) -> None:
        self.documents: dict[str, Document] = {}
        self._chance = chance

    def new(self, kind: str, body: bytes | None = None, served: str = "application/octet-stream") -> Document:
        number = f"amzn1.tortuga.4.na.{self._chance.getrandbits(96):024x}"
        signature = f"{self._chance.getrandbits(256):064x}"
        document = Document(number, signature, kind, time.monotonic() + LINK_LIFE, body, served)
        self.documents[number] = document
        return document

    def presigned(self, request: Request, number: str) -> Response:
        """Permission is the signature, and headers must be the signed ones."""
        document = self.documents.get(number)
        if document is None or request.args.get("X-Amz-Signature") != document.signature:
            return _denied("SignatureDoesNotMatch")
        if time.monotonic() > document.until:
            return _denied("AccessDenied")
        if any(name.lower().startswith("x-amz-") for name, _ in request.headers):
            return _denied("HeadersNotSigned")
        if request.method == "PUT":
            if request.headers.get("content-type") != document.kind:
                return _denied("SignatureDoesNotMatch")
            document.body = request.get_data()
            return Response(status=200)
        if document.body is None:
            return Response("<Error><Code>NoSuchKey</Code></Error>", 404, content_type="application/xml")
        return Response(document.body, content_type=document.served)

    def shown(self, base: str, document: Document, name: str) -> dict[str, str]:
        """What tells a document's fresh address; `name` is the field that holds its number."""
        document.until = time.monotonic() + LINK_LIFE
        shown = {name: document.number, "url": url(base, document)}
        if document.body is not None and document.body[:2] == b"\x1f\x8b":
            shown["compressionAlgorithm"] = "GZIP"
        return shown


def url(base: str, document: Document) -> str:
    return f"{base}/presigned/{document.number}?X-Amz-Expires=300&X-Amz-Signature={document.signature}"


def _denied(code: str) -> Response:
    return Response(f"<Error><Code>{code}</Code></Error>", 403, content_type="application/xml")
