"""Logging: one place, stderr only, and nothing in it that is nobody's business."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import httpx
import pytest
import structlog

from core.commands import logs
from core.settings import LogSettings


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


def test_a_log_line_is_one_json_object_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings(format="auto"))
    structlog.get_logger("ordersync").info("round", channel="shop")
    out, err = capsys.readouterr()
    line = json.loads(err)
    assert (out, line["event"], line["channel"], line["level"]) == ("", "round", "shop", "info")
    assert line["timestamp"].endswith("Z")


def test_a_command_run_by_hand_logs_only_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings(format="json", level="debug"), quiet=True)
    structlog.get_logger().info("round")
    structlog.get_logger().warning("channel does not answer")
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["channel does not answer"]


def test_the_level_of_the_settings_holds(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings(format="json", level="error"))
    structlog.get_logger().warning("channel does not answer")
    assert capsys.readouterr().err == ""


def test_libraries_write_no_addresses_and_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings(format="json", level="debug"))
    transport = httpx.MockTransport(lambda request: httpx.Response(200))
    with httpx.Client(transport=transport) as client:
        client.get("https://shop.example.test/orders?token=never-to-be-seen")
    for name in ("sp_api", "urllib3.connectionpool", "shopify", "some.other.library"):
        logging.getLogger(name).info("token never-to-be-seen")
        logging.getLogger(name).debug("token never-to-be-seen")
    assert capsys.readouterr().err == ""
    logging.getLogger("urllib3").warning("retrying")
    assert json.loads(capsys.readouterr().err)["event"] == "retrying"


@pytest.mark.parametrize("form", ["json", "pretty"])
def test_a_traceback_tells_no_variables(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings.model_validate({"format": form}))
    token = "never-to-be-seen"
    try:
        raise ZeroDivisionError("a bug") from None
    except ZeroDivisionError:
        structlog.get_logger().exception("turn failed")
    err = capsys.readouterr().err
    assert "ZeroDivisionError: a bug" in err
    assert token not in err
