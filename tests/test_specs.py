"""The judges themselves: each of their rules refuses what breaks it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request, Response

from tests.specs import Spec, SpecViolation, Watch, check_request, check_response

SWAGGER = Spec(
    "swagger",
    {
        "swagger": "2.0",
        "basePath": "/v1",
        "definitions": {
            "Thing": {
                "type": "object",
                "required": ["id"],
                "properties": {
                    "id": {"type": "string"},
                    "at": {"type": "string", "format": "date-time"},
                    "example": {"type": "integer"},
                    "note": {"type": "string", "x-nullable": True},
                },
            }
        },
        "paths": {
            "/things": {
                "get": {
                    "parameters": [
                        {
                            "name": "kinds",
                            "in": "query",
                            "type": "array",
                            "items": {"type": "string", "enum": ["a", "b"]},
                        },
                        {"name": "limit", "in": "query", "type": "integer", "maximum": 9},
                        {"name": "X-Key", "in": "header", "type": "string", "required": True},
                    ],
                    "responses": {"200": {"schema": {"type": "array", "items": {"$ref": "#/definitions/Thing"}}}},
                },
                "post": {
                    "parameters": [
                        {"name": "body", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Thing"}}
                    ],
                    "responses": {"204": {}},
                },
            },
            "/things/{id}": {
                "get": {
                    "parameters": [{"name": "id", "in": "path", "type": "integer", "required": True}],
                    "responses": {},
                }
            },
            "/things/all": {"get": {"responses": {"default": {}}}},
        },
    },
)

OPENAPI = Spec(
    "openapi",
    {
        "openapi": "3.0.1",
        "components": {
            "schemas": {
                "Base": {"type": "object", "properties": {"id": {"type": "string"}}},
                "Thing": {
                    "allOf": [
                        {"$ref": "#/components/schemas/Base"},
                        {"type": "object", "properties": {"count": {"type": "integer", "nullable": True}}},
                    ]
                },
            }
        },
        "paths": {
            "/things": {
                "parameters": [{"name": "limit", "in": "query", "required": True, "schema": {"type": "integer"}}],
                "post": {
                    "requestBody": {
                        "required": True,
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Thing"}},
                            "application/x-www-form-urlencoded": {"schema": {"type": "object", "required": ["grant"]}},
                        },
                    },
                    "responses": {
                        "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}}
                    },
                },
            }
        },
    },
)

KEY = {"X-Key": "k"}
JSON = {"Content-Type": "application/json; charset=utf-8"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "body", "fault"),
    [
        ("GET", "/v1/things", {"kinds": "a,b", "limit": "9"}, KEY, b"", ""),
        ("GET", "/v1/things", {}, {"x-key": "k"}, b"", ""),
        ("GET", "/v1/things/all", {}, {}, b"", ""),
        ("GET", "/v1/things/7", {}, {}, b"", ""),
        ("POST", "/v1/things", {}, JSON, b'{"id": "1", "note": null, "example": 1}', ""),
        ("GET", "/v1/things/x", {}, {}, b"", "path id: 'x' is not of type 'integer'"),
        ("GET", "/things", {}, KEY, b"", "no such path"),
        ("PUT", "/v1/things", {}, KEY, b"", "no such path"),
        ("GET", "/v1/things", {"kinds": "a,c"}, KEY, b"", "'c' is not one of"),
        ("GET", "/v1/things", {"kinds": ["a", "b"]}, KEY, b"", "given 2 times"),
        ("GET", "/v1/things", {"limit": "10"}, KEY, b"", "greater than the maximum"),
        ("GET", "/v1/things", {"limit": "1.0"}, KEY, b"", "is not of type 'integer'"),
        ("GET", "/v1/things", {"Limit": "1"}, KEY, b"", "Limit: not a parameter"),
        ("GET", "/v1/things", {}, {}, b"", "header X-Key: required and absent"),
        ("GET", "/v1/things", {}, KEY, b"{}", "a body|given where the spec has none"),
        ("POST", "/v1/things", {}, JSON, b"", "body: required and absent"),
        ("POST", "/v1/things", {}, JSON, b"{", "not JSON"),
        ("POST", "/v1/things", {}, FORM, b"id=1", "content type"),
        ("POST", "/v1/things", {}, JSON, b"{}", "'id' is a required property"),
        ("POST", "/v1/things", {}, JSON, b'{"id": 1}', "is not of type 'string'"),
        ("POST", "/v1/things", {}, JSON, b'{"id": "1", "misspelt": 1}', "Additional properties"),
        ("POST", "/v1/things", {}, JSON, b'{"id": "1", "at": "2026-01-01T00:00:00"}', "date-time"),
        ("POST", "/v1/things", {}, JSON, b'{"id": null}', "None is not of type 'string'"),
    ],
)
def test_a_request_is_judged_by_a_swagger_document(
    method: str, path: str, query: Any, headers: dict[str, str], body: bytes, fault: str
) -> None:
    judged(SWAGGER, method, path, query, headers, body, fault)


@pytest.mark.parametrize(
    ("query", "headers", "body", "fault"),
    [
        ({"limit": "1"}, JSON, b'{"id": "1", "count": null}', ""),
        ({"limit": "1"}, FORM, b"grant=client", ""),
        ({}, JSON, b"{}", "query limit: required and absent"),
        ({"limit": "1"}, JSON, b'{"count": "1"}', "not of type"),
        ({"limit": "1"}, JSON, b'{"id": null}', "not of type 'string'"),
        ({"limit": "1"}, FORM, b"give=client", "'grant' is a required property"),
        ({"limit": "1"}, {}, b"{}", "content type absent"),
    ],
)
def test_a_request_is_judged_by_an_openapi_document(
    query: dict[str, str], headers: dict[str, str], body: bytes, fault: str
) -> None:
    judged(OPENAPI, "POST", "/things", query, headers, body, fault)


def judged(spec: Spec, method: str, path: str, query: Any, headers: dict[str, str], body: bytes, fault: str) -> None:
    if not fault:
        check_request(spec, method, path, query, headers, body)
        return
    with pytest.raises(SpecViolation, match=fault):
        check_request(spec, method, path, query, headers, body)


@pytest.mark.parametrize(
    ("spec", "status", "body", "kind", "fault"),
    [
        (OPENAPI, 200, b'{"id": "1", "count": 2}', "application/json", ""),
        (OPENAPI, 200, b'{"count": "2"}', "application/json", "not of type"),
        (OPENAPI, 200, b"<a/>", "application/xml", "application/xml is none of"),
        (OPENAPI, 500, b"{}", "application/json", "a status the spec does not have"),
    ],
)
def test_an_answer_is_judged_by_an_openapi_document(
    spec: Spec, status: int, body: bytes, kind: str, fault: str
) -> None:
    if fault:
        with pytest.raises(SpecViolation, match=fault):
            check_response(spec, "POST", "/things", status, body, content_type=kind)
    else:
        check_response(spec, "POST", "/things", status, body, content_type=kind)


def test_an_answer_may_be_read_leniently() -> None:
    body = b'[{"id": "1", "more": 1}]'
    with pytest.raises(SpecViolation, match="Additional properties"):
        check_response(SWAGGER, "GET", "/v1/things", 200, body)
    check_response(SWAGGER, "GET", "/v1/things", 200, body, closed=False)


class Far:
    """What a watch needs of a simulator."""

    def __init__(self, body: object) -> None:
        self.body = body

    def handle(self, request: Request) -> Response:
        return Response(json.dumps(self.body), mimetype="application/json")


def ask(far: Far, path: str = "/v1/things", **headers: str) -> None:
    environ = EnvironBuilder(path, headers={"X-Key": "k", **headers}).get_environ()
    far.handle(Request({**environ, "RAW_URI": path}))


def test_a_watch_sees_what_passes() -> None:
    far = Far([{"id": "1"}])
    watch = Watch(far, [SWAGGER])
    with pytest.raises(SpecViolation, match="no request was seen"):
        watch.check()
    ask(far)
    watch.check()
    far.body = [{"id": 1}]
    ask(far)
    with pytest.raises(SpecViolation, match=r"body\[0\]\.id"):
        watch.check()


def test_a_watch_allows_the_differences_it_was_given_and_tells_idle_ones() -> None:
    far = Far([{"id": 1}])
    watch = Watch(far, [SWAGGER], {"[0].id": "the vendor's ids are numbers", "never": "a reason"})
    ask(far)
    watch.check()
    with pytest.raises(SpecViolation, match="do not occur: never"):
        watch.check(all_used=True)


def test_a_watch_sees_a_path_that_no_spec_has() -> None:
    far = Far({})
    watch = Watch(far, [SWAGGER, OPENAPI])
    ask(far, "/elsewhere")
    with pytest.raises(SpecViolation, match="no such path in any spec"):
        watch.check()
