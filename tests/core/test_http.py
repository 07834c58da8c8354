"""The wire against real sockets: what each answer means, and what is never believed."""

from __future__ import annotations

import gzip
import logging
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import msgspec
import pytest
import structlog

from core import http
from core.answers import clock_off
from core.errors import ChannelError, NotFound, Rejected, Throttled, Unauthorized, Unavailable
from core.guard import transaction
from tests.core.raw import (
    Close,
    Drip,
    Reset,
    Said,
    Silence,
    Sip,
    answer,
    listening,
    own_certificate,
    saying,
    undelimited,
)

SECRETS = ("s3cret-query", "s3cret-header", "s3cret-body", "s3cret-user", "Ada Lovelace")


def patient(account: str = "shop", *, deadline: float = 5.0) -> httpx.Client:
    """A client that does not wait between tries."""
    return http.client(account, deadline=deadline, sleep=lambda seconds: None)


def failure(*script: Said, method: str = "GET", deadline: float = 5.0) -> ChannelError:
    with saying(*script) as server, patient(deadline=deadline) as client, pytest.raises(ChannelError) as raised:
        client.request(method, f"{server.url}/orders?token=s3cret-query")
    return raised.value


def test_an_answer_comes_whole_with_its_headers() -> None:
    packed = gzip.compress(b'{"a":1}')
    with saying(answer(200, packed, "Content-Encoding: gzip", "X-Rate: 2")) as server, patient() as client:
        response = client.get(f"{server.url}/orders")
    assert response.json() == {"a": 1}
    assert response.headers["x-rate"] == "2"
    assert b"accept-encoding: gzip\r\n" in server.requests[0].lower()


@pytest.mark.parametrize(
    "drip",
    [
        Drip(answer(200, b"[" + b" " * 500 + b"]")),
        Drip(answer(200, b"{}", f"X-Long: {'x' * 500}")),
        Silence(),
    ],
    ids=["body", "headers", "silence"],
)
def test_the_deadline_holds_however_slowly_the_far_end_drips(drip: Said) -> None:
    with saying(drip) as server, http.client("shop", deadline=0.3) as client, pytest.raises(Unavailable) as raised:
        client.post(f"{server.url}/orders")
    assert raised.value.ambiguous
    assert server.dripped < 100, "the whole answer would have been 500 bytes and more"


def test_the_deadline_holds_for_what_is_sent_too() -> None:
    feed = b"x" * 50_000_000
    with (
        saying(Sip(len(feed))) as server,
        http.client("shop", deadline=0.3) as client,
        pytest.raises(Unavailable) as raised,
    ):
        client.post(f"{server.url}/feed", content=feed)
    assert raised.value.ambiguous
    assert server.sipped < len(feed) // 2


def test_a_deadline_that_has_passed_already_is_an_outage_too() -> None:
    with saying(answer()) as server, patient(deadline=0.0) as client, pytest.raises(Unavailable):
        client.get(server.url)
    assert server.requests == []


HALF: dict[str, Said] = {
    "half JSON of no stated length": undelimited(b'{"orders":[{"id":1},'),
    "nothing of no stated length": undelimited(b""),
    "less than its stated length": Close(answer(200, b'{"orders":[', length=400)),
    "half gzip of JSON": answer(200, gzip.compress(b'{"orders":[]}')[:-9], "Content-Encoding: gzip"),
    "half gzip of CSV": answer(200, gzip.compress(b"id,sku\n1,A\n")[:-9], "Content-Encoding: gzip", kind="text/csv"),
    "no gzip": answer(200, b"\x1f\x8bnonsense", "Content-Encoding: gzip"),
    "an encoding nobody asked for": answer(200, b"{}", "Content-Encoding: br"),
    "nested without end": answer(200, b"[" * 100_000),
    "empty JSON": answer(200, b""),
    "a page of HTML": answer(200, b"<html>Service Unavailable</html>", kind="text/html; charset=utf-8"),
    "reset in the middle": Reset(answer(200, b'{"orders":', length=400)),
    "reset at once": Reset(),
    "closed at once": Close(b""),
    "no HTTP": Close(b"HTP nonsense\r\n\r\n"),
}


@pytest.mark.parametrize("half", HALF.values(), ids=HALF.keys())
def test_half_an_answer_is_no_answer(half: Said) -> None:
    for method in ("GET", "POST"):
        error = failure(half, method=method)
        assert isinstance(error, Unavailable), method
        assert error.ambiguous, "the request may have taken effect"


def test_an_answer_may_be_empty_where_that_is_all_there_is_to_say() -> None:
    with saying(answer(204, b""), answer(200, b"", kind="application/octet-stream")) as server, patient() as client:
        assert client.post(server.url).status_code == 204
        assert client.get(server.url).content == b""


MEANINGS = [
    (206, Unavailable, True),
    (301, Rejected, False),
    (304, Rejected, False),
    (400, Rejected, False),
    (401, Unauthorized, False),
    (403, Unauthorized, False),
    (404, NotFound, False),
    (408, Unavailable, True),
    (409, Rejected, False),
    (410, NotFound, False),
    (422, Rejected, False),
    (425, Unavailable, False),
    (429, Throttled, False),
    (500, Unavailable, True),
    (502, Unavailable, True),
    (503, Unavailable, True),
]


@pytest.mark.parametrize(("status", "kind", "ambiguous"), MEANINGS, ids=[str(status) for status, _, _ in MEANINGS])
def test_a_status_is_raised_as_what_happens_next(status: int, kind: type[ChannelError], ambiguous: bool) -> None:
    error = failure(answer(status), method="POST")
    assert type(error) is kind
    assert getattr(error, "ambiguous", False) is ambiguous


@pytest.mark.parametrize("body", [b"", b"<html>Service Unavailable</html>", b'{"orders":[]}'])
@pytest.mark.parametrize("status", [500, 503])
def test_an_outage_never_reads_as_an_empty_page(status: int, body: bytes) -> None:
    assert isinstance(failure(answer(status, body, kind="text/html")), Unavailable)


def test_a_refusal_keeps_its_body_for_the_connector_and_out_of_the_text() -> None:
    error = failure(answer(422, b'{"buyer":"Ada Lovelace"}'))
    assert isinstance(error, Rejected)
    assert (error.status, error.body) == (422, b'{"buyer":"Ada Lovelace"}')
    assert "Ada" not in str(error)


def test_a_forbidden_account_is_told_from_a_refused_one() -> None:
    forbidden, refused = failure(answer(403)), failure(answer(401))
    assert isinstance(forbidden, Unauthorized)
    assert isinstance(refused, Unauthorized)
    assert (forbidden.forbidden, refused.forbidden) == (True, False)


def test_statuses_the_connector_expects_are_handed_over_whole() -> None:
    far_end = saying(answer(404, b'{"code":"NONE"}'), answer(404, b""), answer(404, b'{"co'))
    with far_end as far, http.client("shop", expect=(404,), sleep=lambda seconds: None) as client:
        assert client.get(far.url).json() == {"code": "NONE"}
        assert client.get(far.url).content == b""
        with pytest.raises(Unavailable):
            client.get(far.url)


def test_what_a_200_hides_is_raised_by_the_connectors_verdict_and_tried_again() -> None:
    def verdict(response: httpx.Response) -> None:
        if response.json().get("throttled"):
            raise Unavailable("throttled", after=1.0)

    waits: list[float] = []
    far_end = saying(answer(200, b'{"throttled":1}'), answer())
    with far_end as far, http.client("shop", verdict=verdict, sleep=waits.append) as client:
        assert client.post(far.url).json() == {"a": 1}
    assert waits == [1.0]


def test_a_redirect_is_not_followed_with_credentials() -> None:
    with saying(answer()) as elsewhere, saying(answer(302, b"", f"Location: {elsewhere.url}")) as far:
        with patient() as client, pytest.raises(Rejected, match="check base_url"):
            client.get(far.url, headers={"x-token": "s3cret-header"}, follow_redirects=True)
        assert elsewhere.requests == []


def test_a_far_end_that_is_not_there_cannot_have_done_anything() -> None:
    with saying(answer()) as far:
        pass
    waits: list[float] = []
    with (
        http.client("shop", sleep=waits.append) as client,
        pytest.raises(Unavailable, match="cannot be reached") as raised,
    ):
        client.post(far.url)
    assert not raised.value.ambiguous
    assert len(waits) == http.ATTEMPTS - 1, "so even a write is tried again"


def test_a_name_nobody_knows_cannot_have_done_anything() -> None:
    with patient() as client, pytest.raises(Unavailable, match=r"nowhere\.invalid/orders cannot be reached") as raised:
        client.post("http://nowhere.invalid/orders?token=s3cret-query", content=b"s3cret-body")
    assert not raised.value.ambiguous
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("signed", [True, False], ids=["by nobody we trust", "not at all"])
def test_a_far_end_that_cannot_prove_who_it_is_is_told_nothing(signed: bool, tmp_path: Path) -> None:
    with listening(own_certificate(tmp_path) if signed else None) as (port, heard):
        with patient() as client, pytest.raises(Unavailable, match="cannot be reached") as raised:
            client.post(f"https://localhost:{port}/orders?token=s3cret-query", content=b"s3cret-body")
        assert not raised.value.ambiguous
        assert b"s3cret" not in b"".join(heard)
        assert heard != [], "somebody did listen"


def test_a_request_that_cannot_be_written_is_ours_to_mend_and_quotes_nothing() -> None:
    with saying(answer()) as far, patient() as client, pytest.raises(Rejected) as raised:
        client.get(far.url, headers={"x-token": "s3cret-header\nX"})
    assert "s3cret" not in str(raised.value)
    assert far.requests == []
    with patient() as client, pytest.raises(Rejected, match="check base_url"):
        client.get("ftp://127.0.0.1/orders")


def test_messages_name_the_place_and_nothing_else() -> None:
    with saying(answer(500)) as far, patient() as client, pytest.raises(Unavailable) as raised:
        client.post(
            f"{far.url.replace('//', '//s3cret-user:x@')}/orders/%0A1?token=s3cret-query",
            content=b"s3cret-body",
            headers={"x-token": "s3cret-header"},
        )
    where = far.url.removeprefix("http://")
    assert re.fullmatch(r"127\.0\.0\.1:\d+", where)
    assert str(raised.value) == f"POST {where}/orders/%0A1 answered 500"


def test_a_refused_connection_names_host_and_port() -> None:
    with patient() as client, pytest.raises(Unavailable, match=r"GET 127\.0\.0\.1:1/orders "):
        client.get("http://s3cret-user:x@127.0.0.1:1/orders?token=s3cret-query")
    with patient() as client, pytest.raises(Unavailable, match=r"GET \[::1\]:1/orders "):
        client.get("http://[::1]:1/orders")


def test_the_usual_port_goes_without_saying() -> None:
    with patient() as client, pytest.raises(Unavailable, match=r"GET nowhere\.invalid/orders "):
        client.get("https://nowhere.invalid:443/orders")


def test_no_log_line_at_any_level_holds_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)  # of the root, as a daemon's set-up would
    script = [answer(200, b'{"buyer":"Ada Lovelace"}', "Set-Cookie: s3cret-header"), answer(503), answer()]
    with saying(*script) as far, patient() as client:
        for _ in range(2):
            client.post(
                f"{far.url.replace('//', '//s3cret-user:s3cret-user@')}/orders?token=s3cret-query",
                content=b"s3cret-body",
                headers={"x-token": "s3cret-header"},
                extensions={"safe": True},
            )
    assert "/orders" in caplog.text, "httpx's own line is still there"
    assert [secret for secret in SECRETS if secret in caplog.text] == []


def test_no_request_leaves_inside_a_transaction() -> None:
    with saying(answer()) as far, patient() as client:
        with transaction(), pytest.raises(RuntimeError, match="inside a database transaction"):
            client.get(far.url)
        assert far.requests == []
        assert client.get(far.url).status_code == 200, "and outside it may go"


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with saying(answer()) as far, saying(answer(200, b'{"proxied":1}')) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        with patient() as client:
            assert client.get(far.url).json() == {"a": 1}


def test_decoding_never_gives_an_empty_value_for_another_document() -> None:
    class Orders(msgspec.Struct):
        orders: list[str]

    for body in (b"{}", b'{"errors":[]}', b'{"orders":null}', b'{"orders":[{"buyer":"Ada Lovelace"}]}'):
        with saying(answer(200, body)) as far, patient() as client, pytest.raises(Unavailable) as raised:
            http.decode(client.get(f"{far.url}/orders?token=s3cret-query"), Orders)
        assert [secret for secret in SECRETS if secret in str(raised.value)] == []


def test_a_json_body_says_that_it_is_one() -> None:
    with saying(answer()) as far, patient() as client:
        client.post(far.url, **http.json_body({"quantity": 3}))
    assert b"content-type: application/json\r\n" in far.requests[0].lower()
    assert far.requests[0].endswith(b'{"quantity":3}')


def test_the_pauses_of_every_wire_have_one_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    with saying(answer(429), answer()) as far, http.client("shop") as client:
        monkeypatch.setattr(http, "pause", waits.append)
        client.get(far.url)
    assert len(waits) == 1


# Clocks.


def dated(seconds: float) -> bytes:
    """An answer by a clock that is so far ahead of ours."""
    theirs = datetime.now(UTC) + timedelta(seconds=seconds)
    return answer(200, b"{}", f"Date: {format_datetime(theirs, usegmt=True)}")


@pytest.mark.parametrize(("ahead", "told"), [(600, True), (-600, True), (3, False), (-3, False), (0, False)])
def test_a_clock_that_is_off_is_told_when_that_begins_and_not_again(ahead: float, told: bool) -> None:
    with saying(dated(ahead)) as far, patient() as client, structlog.testing.capture_logs() as lines:
        for _ in range(3):
            client.get(far.url)
    assert len(lines) == (1 if told else 0)
    if told:
        assert (lines[0]["channel"], round(lines[0]["seconds_ahead"], -1)) == ("shop", -ahead)


def test_a_clock_that_was_set_and_is_off_again_is_told_again() -> None:
    script = [dated(600), dated(0), answer(), dated(600)]
    with saying(*script) as far, patient() as client, structlog.testing.capture_logs() as lines:
        for _ in script:
            client.get(far.url)
    assert len(lines) == 2


def test_the_time_an_exchange_took_is_no_difference_of_clocks() -> None:
    at = httpx.Response(200, headers={"date": "Fri, 27 Nov 2026 05:00:10 GMT"})
    ten = datetime(2026, 11, 27, 5, 0, 10, tzinfo=UTC).timestamp()
    assert clock_off(at, ten - 20, ten + 20) == 0.0
    assert clock_off(at, ten + 8, ten + 9) == 7.0
    assert clock_off(at, ten - 9, ten - 8) == -8.0
    assert clock_off(httpx.Response(200), ten, ten) is None
