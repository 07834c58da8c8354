"""The vendors' machine-readable specs as judges of what connectors send and simulators answer.

The specs are test data that does not live in this repository: `ORDERSYNC_SPECS` names their folder, by default
`../shared/specs` beside the repository root. Where they are absent every test that asks for the `specs` fixture is
skipped with a reason that says so. The fixture gives a `load` function; import it where it is used:

    from tests.specs import Watch, specs  # noqa: F401 - a fixture

    def test_what_is_said_on_the_wire_keeps_to_the_vendors_spec(specs):
        with AmazonSimulator(...) as simulator:
            watch = Watch(simulator, [specs("amazon/orders_2026-01-01.json")], DIFFERENCES)
            ...                       # whatever the connector does now is checked, request and response
            watch.check()             # raises with every violation that was seen

`Watch` wraps `simulator.handle`, so it sees what arrives on the socket and what leaves, without injected faults.
`DIFFERENCES` lists what is known to differ: a part of the violation's text, and the reason why the vendor's practice
differs from the vendor's spec:

    DIFFERENCES = {"POST /auth/o2/token: no such path": "tokens are Login with Amazon's, which has no spec here"}

`check_request` and `check_response` can be used alone. Both take Swagger 2.0 and OpenAPI 3.0 documents: path templates
are matched, parameters (path, query, headers) and bodies validated, undeclared query parameters refused, `nullable`
understood. An object with listed properties is taken as closed unless the spec says otherwise, so a misspelt optional
field is seen; `closed=False` reads leniently (a vendor's printed example may hold more).
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from jsonschema import Draft4Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT4
from werkzeug.wrappers import Request, Response

FOLDER = Path(os.environ.get("ORDERSYNC_SPECS") or Path(__file__).resolve().parents[1] / ".." / "shared" / "specs")

METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
CLOSED, OPEN = "urn:closed", "urn:open"
"""The same document twice: objects that hold only what is listed, and objects that may hold more."""

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class SpecViolation(AssertionError):
    """A request or a response is not what the vendor's spec allows; the text lists every point."""


@pytest.fixture
def specs() -> Callable[[str], Spec]:
    """`load`, or a skip that names what is missing and how to provide it."""
    if not FOLDER.is_dir():
        pytest.skip(f"THE VENDORS' SPECS ARE ABSENT: no folder {FOLDER}; set ORDERSYNC_SPECS to where they are")
    return load


@cache
def load(name: str) -> Spec:
    """The spec at `name` below the folder, such as "amazon/orders_2026-01-01.json"."""
    return Spec(name, json.loads((FOLDER / name).read_text()))


class Spec:
    """One document, made ready for validation once."""

    def __init__(self, name: str, document: dict[str, Any]) -> None:
        self.name = name
        self.document = document
        self.swagger = "swagger" in document
        self.base = document.get("basePath", "").rstrip("/") if self.swagger else ""
        self._routes = sorted(
            ((_template(self.base + path), self.base + path, item) for path, item in document["paths"].items()),
            key=lambda route: route[1].count("{"),  # a literal path goes before a template that would match it too
        )
        self._registry = _registry(document)
        # By the identity of what is kept beside it.
        self._validators: dict[tuple[int, bool], tuple[Any, Any]] = {}
        self._schemas: dict[int, tuple[Any, dict[str, Any]]] = {}

    def find(self, method: str, path: str) -> tuple[str, dict[str, str], dict[str, Any], list[dict[str, Any]]] | None:
        """Template, path parameters (decoded), operation and all its parameters; None where the spec has no such."""
        for pattern, template, item in self._routes:
            found = pattern.fullmatch(path)
            if found and method.lower() in item:
                operation = item[method.lower()]
                values = dict(zip(re.findall(r"{([^}]+)}", template), map(unquote, found.groups()), strict=True))
                return template, values, operation, self._parameters(item, operation)
        return None

    def resolve(self, value: Any) -> Any:
        """What a `$ref` into this document points at; any other value as it is."""
        while isinstance(value, dict) and "$ref" in value:
            target: Any = self.document
            for step in value["$ref"].removeprefix("#/").split("/"):
                target = target[step.replace("~1", "/").replace("~0", "~")]
            value = target
        return value

    def faults(self, where: str, schema: Any, value: Any, *, closed: bool = True) -> list[str]:
        """Every way in which `value` misses `schema`, each beginning with `where` and the path inside the value."""
        validator = self._validator(schema, closed)
        return [
            f"{where}{''.join(f'[{step}]' if isinstance(step, int) else f'.{step}' for step in error.absolute_path)}: "
            f"{error.message[:300]}"
            for error in sorted(validator.iter_errors(value), key=lambda error: str(error.absolute_path))
        ]

    def _validator(self, schema: Any, closed: bool) -> Any:
        """Made once for each schema: they are the document's own, or kept by who made them."""
        key = id(schema), closed
        if key not in self._validators:
            made = Draft4Validator(_ready(schema, closed), registry=self._registry, format_checker=_formats())
            self._validators[key] = schema, made
        return self._validators[key][1]

    def of_parameter(self, parameter: dict[str, Any]) -> dict[str, Any]:
        """The schema of a Swagger parameter, which is its own."""
        if id(parameter) not in self._schemas:
            words = {word: part for word, part in parameter.items() if word not in ("name", "in", "required")}
            self._schemas[id(parameter)] = parameter, words
        return self._schemas[id(parameter)][1]

    def _parameters(self, item: dict[str, Any], operation: dict[str, Any]) -> list[dict[str, Any]]:
        own = [self.resolve(parameter) for parameter in operation.get("parameters", [])]
        named = {(parameter["in"], parameter["name"]) for parameter in own}
        shared = [self.resolve(parameter) for parameter in item.get("parameters", [])]
        return own + [parameter for parameter in shared if (parameter["in"], parameter["name"]) not in named]


def check_request(
    spec: Spec,
    method: str,
    path: str,
    query: Mapping[str, str | Sequence[str]] | Iterable[tuple[str, str]],
    headers: Mapping[str, str],
    body: bytes | None,
    *,
    closed: bool = True,
) -> None:
    """Raises `SpecViolation` unless `spec` allows this request.

    `path` is as on the wire (percent-encoded, without the query); `query` is a mapping or pairs, decoded.
    """
    where = f"{method} {path}"
    found = spec.find(method, path)
    if found is None:
        raise SpecViolation(f"{where}: no such path in {spec.name}")
    _, in_path, operation, parameters = found
    given: dict[str, dict[str, list[str]]] = {
        "path": {name: [value] for name, value in in_path.items()},
        "query": _many(query),
        "header": {name.lower(): [value] for name, value in dict(headers).items()},
    }
    bad = []
    for parameter in parameters:
        place, name = parameter["in"], parameter["name"]
        if place not in given:
            continue
        values = given[place].get(name.lower() if place == "header" else name)
        if values is None:
            if parameter.get("required"):
                bad.append(f"{place} {name}: required and absent")
        else:
            bad += _parameter_faults(spec, f"{place} {name}", parameter, values)
    declared = {parameter["name"] for parameter in parameters if parameter["in"] == "query"}
    bad += [f"query {name}: not a parameter of this operation" for name in given["query"] if name not in declared]
    bad += _body_faults(spec, operation, parameters, given["header"], body or b"", closed)
    if bad:
        raise SpecViolation("\n".join(f"{where}: request {fault}" for fault in bad))


def check_response(
    spec: Spec,
    method: str,
    path: str,
    status: int,
    body: bytes | None,
    *,
    content_type: str = "application/json",
    closed: bool = True,
) -> None:
    """Raises `SpecViolation` unless `spec` allows this answer to `method` and `path`."""
    where = f"{method} {path}: response {status}"
    found = spec.find(method, path)
    if found is None:
        raise SpecViolation(f"{method} {path}: no such path in {spec.name}")
    answers = found[2]["responses"]
    answer = spec.resolve(answers.get(str(status)) or answers.get("default"))
    if answer is None:
        raise SpecViolation(f"{where}: a status the spec does not have")
    if spec.swagger:
        schema = answer.get("schema")
    else:
        content = answer.get("content", {})
        kind = content_type.partition(";")[0].strip().lower()
        if content and kind not in content:
            raise SpecViolation(f"{where}: {kind} is none of {', '.join(content)}")
        schema = content.get(kind, {}).get("schema")
        if schema is not None and "json" not in kind:
            return
    if schema is None:
        if body and not spec.swagger:
            raise SpecViolation(f"{where}: a body where the spec has none")
        return
    try:
        value = json.loads(body or b"")
    except ValueError:
        raise SpecViolation(f"{where}: not JSON") from None
    if bad := spec.faults("body", schema, value, closed=closed):
        raise SpecViolation("\n".join(f"{where}: {fault}" for fault in bad))


class Watch:
    """Sits between a simulator and its wire and judges every request and response by the specs; see the module."""

    def __init__(self, simulator: Any, specs: Sequence[Spec], differences: Mapping[str, str] | None = None) -> None:
        self.seen = 0
        self.violations: list[str] = []
        self._specs = specs
        self._differences = dict(differences or {})
        self._used: set[str] = set()
        self._handle: Callable[[Request], Response] = simulator.handle
        self._lock = threading.Lock()
        simulator.handle = self._watched

    def check(self, *, all_used: bool = False) -> None:
        """Raises if anything was seen that is not allowed, or nothing was seen at all; with `all_used` also if a
        listed difference no longer occurs."""
        if self.violations:
            raise SpecViolation("\n".join(dict.fromkeys(self.violations)))
        if not self.seen:
            raise SpecViolation("no request was seen")
        idle = [part for part in self._differences if part not in self._used]
        if all_used and idle:
            raise SpecViolation("differences that do not occur: " + "; ".join(idle))

    def _watched(self, request: Request) -> Response:
        method, path = request.method, urlsplit(request.environ["RAW_URI"]).path
        body = request.get_data()
        response = self._handle(request)
        spec = next((spec for spec in self._specs if spec.find(method, path)), None)
        with self._lock:
            self.seen += 1
            if spec is None:
                self._note(SpecViolation(f"{method} {path}: no such path in any spec"))
                return response
            if response.status_code < 400:  # a refused request is the simulator doing its work
                try:
                    pairs = [(name, value) for name, values in request.args.lists() for value in values]
                    check_request(spec, method, path, pairs, dict(request.headers), body)
                except SpecViolation as violation:
                    self._note(violation)
            try:
                check_response(
                    spec, method, path, response.status_code, response.get_data(), content_type=response.content_type
                )
            except SpecViolation as violation:
                self._note(violation)
        return response

    def _note(self, violation: SpecViolation) -> None:
        for line in str(violation).splitlines():
            known = next((part for part in self._differences if part in line), None)
            if known is None:
                self.violations.append(line)
            else:
                self._used.add(known)


def _many(query: Mapping[str, str | Sequence[str]] | Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in query.items() if isinstance(query, Mapping) else query:
        values.setdefault(name, []).extend([value] if isinstance(value, str) else value)
    return values


def _parameter_faults(spec: Spec, where: str, parameter: dict[str, Any], texts: list[str]) -> list[str]:
    schema = parameter if spec.swagger else spec.resolve(parameter.get("schema", {}))
    if schema.get("type") == "array":
        if not _repeated(spec, parameter):
            if len(texts) > 1:
                return [f"{where}: given {len(texts)} times"]
            texts = texts[0].split(",")
        value: Any = [_typed(text, spec.resolve(schema.get("items", {})).get("type")) for text in texts]
    elif len(texts) > 1:
        return [f"{where}: given {len(texts)} times"]
    else:
        value = _typed(texts[0], schema.get("type"))
    if spec.swagger:  # the parameter is its own schema
        schema = spec.of_parameter(parameter)
    return spec.faults(where, schema, value)


def _repeated(spec: Spec, parameter: dict[str, Any]) -> bool:
    """Whether a list is sent as name=a&name=b rather than name=a,b."""
    if spec.swagger:
        return bool(parameter.get("collectionFormat", "csv") == "multi")
    return bool(parameter.get("explode", parameter.get("style", "form") == "form"))


def _typed(text: str, kind: str | None) -> Any:
    """A parameter's text as the JSON value it stands for; text that is none stays text, and fails its schema."""
    try:
        if kind == "integer":
            return int(text)
        if kind == "number":
            return float(text)
    except ValueError:
        return text
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return text


def _body_faults(
    spec: Spec,
    operation: dict[str, Any],
    parameters: list[dict[str, Any]],
    headers: dict[str, list[str]],
    body: bytes,
    closed: bool,
) -> list[str]:
    kind = headers.get("content-type", [""])[0].partition(";")[0].strip().lower()
    if spec.swagger:
        declared = next((parameter for parameter in parameters if parameter["in"] == "body"), None)
        schema, required = (declared or {}).get("schema"), (declared or {}).get("required", False)
        kinds = operation.get("consumes") or spec.document.get("consumes") or ["application/json"]
    else:
        declared = spec.resolve(operation.get("requestBody"))
        content = (declared or {}).get("content", {})
        schema, required = content.get(kind, {}).get("schema"), (declared or {}).get("required", False)
        kinds = list(content)
    if not body:
        return ["body: required and absent"] if required else []
    if declared is None:
        return ["body: given where the spec has none"]
    if kind not in kinds:
        return [f"body: content type {kind or 'absent'} is none of {', '.join(kinds)}"]
    if schema is None or kind == "multipart/form-data" or ("json" not in kind and kind not in FORMS):
        return []
    if kind in FORMS:
        return spec.faults("body", schema, dict(parse_qsl(body.decode(), keep_blank_values=True)), closed=closed)
    try:
        value = json.loads(body)
    except ValueError:
        return ["body: not JSON"]
    return spec.faults("body", schema, value, closed=closed)


def _template(path: str) -> re.Pattern[str]:
    return re.compile("".join("([^/]+)" if part[:1] == "{" else re.escape(part) for part in re.split(r"({.*?})", path)))


def _registry(document: dict[str, Any]) -> Registry[Any]:
    empty: Registry[Any] = Registry()
    return empty.with_resources(
        [(name, DRAFT4.create_resource(_ready(document, name == CLOSED))) for name in (CLOSED, OPEN)]
    )


def _ready(schema: Any, closed: bool) -> Any:
    """A schema as JSON Schema draft 4 has it: `nullable` spelt out, references absolute, objects closed.

    The parts of an `allOf` stay open, as each would forbid what the others bring.
    """
    if isinstance(schema, list):
        return [_ready(part, closed) for part in schema]
    if not isinstance(schema, dict):
        return schema
    null = schema.get("nullable") is True or schema.get("x-nullable") is True
    if isinstance(schema.get("$ref"), str):
        reference = {"$ref": schema["$ref"].replace("#/", f"{CLOSED if closed else OPEN}#/", 1)}
        return {"anyOf": [reference, {"type": "null"}]} if null else reference
    ready = {word: _word(word, part, closed) for word, part in schema.items()}
    if (
        closed
        and schema.get("type") == "object"
        and isinstance(schema.get("properties"), dict)
        and not ({"allOf", "oneOf", "anyOf"} & schema.keys())
    ):
        ready.setdefault("additionalProperties", False)
    if null and isinstance(schema.get("type"), str):
        ready["type"] = [schema["type"], "null"]
        if "enum" in schema:
            ready["enum"] = [*schema["enum"], None]
    return ready


def _word(word: str, part: Any, closed: bool) -> Any:
    if word == "properties" and isinstance(part, dict):  # its keys are names, not words of a schema
        return {name: _ready(schema, closed) for name, schema in part.items()}
    if word in ("enum", "required", "example", "examples", "default"):
        return part
    return _ready(part, closed and word != "allOf")


@cache
def _formats() -> FormatChecker:
    checker = FormatChecker(())

    @checker.checks("date-time", raises=ValueError)
    def _(value: object) -> bool:
        return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None

    return checker
