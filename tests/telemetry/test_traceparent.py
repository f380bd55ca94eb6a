"""The header `traceparent`, held to the W3C's own words: what is one, what is none, and what comes later."""

import pytest

from hayon.telemetry import Kind, Trace, begin_span, find_trace, read_traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),  # further flags are not ours
        (f"00-{TRACE}-{SPAN}-02", False),
        (f" 00-{TRACE}-{SPAN}-01\t", True),
        (f"01-{TRACE}-{SPAN}-01", True),  # a later version is read as far as this one goes
        (f"cc-{TRACE}-{SPAN}-01-what-comes-later", True),
    ],
)
def test_what_is_one(header: str, sampled: bool) -> None:
    assert read_traceparent(header) == Trace(TRACE, SPAN, sampled)


@pytest.mark.parametrize(
    "header",
    [
        None, "", "nonsense", f"00-{TRACE}-{SPAN}", f"ff-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01-more", f"00-{TRACE}-{SPAN}-01-",
        f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE.upper()}-{SPAN}-01", f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1", f"cc-{TRACE}-{SPAN}-01more", f"00-{TRACE}-{SPAN}-01\n", f"00-{TRACE}-{SPAN}-0٣",
    ],
)  # fmt: skip
def test_what_is_none(header: str | None) -> None:
    assert read_traceparent(header) is None


def test_what_is_written_is_read_again() -> None:
    for sampled in (True, False):
        trace = Trace(TRACE, SPAN, sampled)
        assert read_traceparent(str(trace)) == trace


def test_work_knows_its_trace_while_it_lasts() -> None:
    """Also where nothing is recorded, as here: the caller's trace goes on unchanged, else a new one begins that nobody records."""
    assert find_trace() is None
    caller = Trace(TRACE, SPAN, sampled=True)
    with begin_span("outer", Kind.SERVER, parent=caller) as span:
        assert find_trace() == span.trace == caller
        with begin_span("inner", Kind.INTERNAL) as other:
            assert find_trace() == other.trace
            assert read_traceparent(str(other.trace)) == other.trace
            assert (other.trace.trace_id != TRACE, other.trace.sampled) == (True, False)
        assert find_trace() == caller
    assert find_trace() is None
