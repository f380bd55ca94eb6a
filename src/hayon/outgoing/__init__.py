"""Every request that leaves the house: deadlines, redaction, size bounds, no private addresses by surprise. Never retries."""

from hayon.outgoing.exchange import Answer, Deadline, Named, Part, Request, Stream, boot_seconds
from hayon.outgoing.outgoing import Outgoing, StreamedAnswer

__all__ = ["Answer", "Deadline", "Named", "Outgoing", "Part", "Request", "Stream", "StreamedAnswer", "boot_seconds"]
