"""Events as log lines and numbers: which lines are shown in which style, and what they carry."""

import io
import json
import sys
from typing import Any

import pytest
import structlog

from hayon import telemetry


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> io.StringIO:
    """What a process in this style writes on standard error."""
    err = io.StringIO()
    monkeypatch.setattr(sys, "stderr", err)
    telemetry.set_up(request.param)
    structlog.configure(cache_logger_on_first_use=False)
    return err


def _number(name: str, **labels: str) -> float:
    return telemetry.REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.mark.parametrize("written", ["json"], indirect=True)
def test_each_line_is_json_with_its_trace_and_all_that_is_bound(written: io.StringIO) -> None:
    with (
        structlog.contextvars.bound_contextvars(correlation_id="order-7"),
        telemetry.begin_span("work", telemetry.Kind.INTERNAL) as span,
    ):
        telemetry.emit("call.answered", level="debug", status=200)
    telemetry.emit("house.stopped")
    lines: list[dict[str, Any]] = [json.loads(line) for line in written.getvalue().splitlines()]
    first = {"event": "call.answered", "level": "debug", "status": 200, "correlation_id": "order-7"}
    assert [{**line, "timestamp": ""} for line in lines] == [
        {**first, "trace_id": span.trace.trace_id, "timestamp": ""},
        {"event": "house.stopped", "level": "info", "timestamp": ""},
    ]


@pytest.mark.parametrize("written", ["json"], indirect=True)
@pytest.mark.parametrize("odd", ["half a character \ud83d", 2**70], ids=["surrogate", "large"])
def test_no_line_is_lost_for_what_it_carries(written: io.StringIO, odd: Any) -> None:
    telemetry.emit("call.unanswered", level="debug", error=odd)
    assert json.loads(written.getvalue())["error"] == odd


@pytest.mark.parametrize("written", ["console"], indirect=True)
def test_a_console_is_spared_what_only_programs_read(written: io.StringIO) -> None:
    before = _number("hayon_events_total", event="call.answered", platform="", outcome="")
    with telemetry.begin_span("work", telemetry.Kind.INTERNAL) as span:
        telemetry.emit("call.answered", level="debug", status=200)
        telemetry.emit("post.edited", post_id="7")
    assert "call.answered" not in written.getvalue()
    assert "post.edited" in written.getvalue()
    assert span.trace.trace_id not in written.getvalue()
    assert _number("hayon_events_total", event="call.answered", platform="", outcome="") == before + 1


@pytest.mark.parametrize(
    ("event", "number"),
    [
        ("bell.rung_again", "hayon_rerings_total"), ("bell.unroutable", "hayon_broker_returns_total"),
        ("bell.stale", "hayon_claim_conflicts_total"),
    ],
)  # fmt: skip
def test_some_events_have_a_number_of_their_own(event: str, number: str) -> None:
    before = _number(number)
    telemetry.emit(event, level="debug", count=5)  # `count` is a fact like others
    assert _number(number) == before + 1


def test_a_command_that_set_nothing_up_is_not_interrupted(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`hayon doctor --json` calls platforms, too, and a program reads what it prints."""
    structlog.reset_defaults()
    telemetry.emit("call.unanswered", level="debug")
    assert capfd.readouterr() == ("", "")


def test_a_word_that_is_not_in_the_vocabulary_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        telemetry.emit("post.improvised")
