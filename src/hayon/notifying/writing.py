"""What a mail says: plain text and the same in HTML, its subject and its headers. Nothing is sent here.

Whatever comes from outside (names, answers of platforms) is escaped in the HTML and is one line in a header.
"""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from hayon.domain.notices import KINDS, MAIL_TEST, PASSWORD_RESET, TESTED
from hayon.notifying.mail import NotSentError
from hayon.store.leaving import Mail

SETTINGS_PATH = "/settings/mail"
"""The page on which people choose what they get by mail."""
LISTED = 50
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_STATUS = {"completed": "published", "failed": "failed", "cancelled": "cancelled", "unconfirmed": "not known"}


@dataclass(frozen=True, slots=True)
class _Line:
    """One entry of a list in a mail, and where it leads."""

    text: str
    url: str | None = None


def compose(mail: Mail, sender: Address, public_url: str, opened: Mapping[str, Any]) -> EmailMessage:
    """The mail, the same at every try but for what its notice says by then. `opened` is what was sealed for it.

    Raises NotSentError where nothing can be sent to this address, or the mail says nothing any more.
    """
    message = EmailMessage(policy=policy.SMTP)
    words, lines, way = _said(mail, public_url, opened)
    message["From"] = sender
    message["To"] = _recipient(mail)
    message["Subject"] = _subject(mail.kind)
    message["Date"] = format_datetime(mail.created_at)
    message["Message-ID"] = f"<{mail.id}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence answers it
    choosing = f"{public_url}{SETTINGS_PATH}" if mail.kind in KINDS else None
    if choosing:
        message["List-Unsubscribe"] = f"<{choosing}>"
    greeting = f"Hello {_one_line(mail.name)}," if _one_line(mail.name) else "Hello,"
    message.set_content(_plain(greeting, words, lines, way, choosing), cte="quoted-printable")
    shown = _html(_subject(mail.kind), greeting, words, lines, way, choosing)
    message.add_alternative(shown, subtype="html", cte="quoted-printable")
    return message


def _said(mail: Mail, public_url: str, opened: Mapping[str, Any]) -> tuple[str, Sequence[_Line], _Line | None]:
    """The words, a list beneath them, and where to go from there."""
    if mail.kind == PASSWORD_RESET:
        if "link" not in opened:
            raise NotSentError("The way to a new password is gone.", "nothing to say", for_good=True)
        words = (
            "Somebody, most likely you, asked to set a new password for your account. If it was not you, do nothing."
        )
        return words, (), _Line("Set a new password", str(opened["link"]))
    if mail.kind == MAIL_TEST:
        return TESTED, (), None
    if mail.message is None:
        raise NotSentError("What it told of is gone.", "nothing to say", for_good=True)
    about = mail.facts.get("targets", ())
    lines = [_line(one) for one in about[:LISTED]]
    if mail.post_id is not None:
        return mail.message, lines, _Line("See the post", f"{public_url}/posts/{mail.post_id}")
    where = "/accounts" if mail.kind.startswith("account.") else "/"
    return mail.message, lines, _Line("Open Hayon", f"{public_url}{where}")


def _line(target: Mapping[str, Any]) -> _Line:
    status = str(target.get("status") or "")
    text = f"{target.get('handle')} ({target.get('platform')})"
    if status:
        text += f": {_STATUS.get(status, status)}"
    if target.get("error"):
        text += f": {target['error']}"
    url = target.get("url")
    return _Line(_one_line(text), url if isinstance(url, str) and url.startswith(("https://", "http://")) else None)


def _recipient(mail: Mail) -> Address:
    """The person, by name. Raises NotSentError where their address is none that mail can be sent to."""
    name, _, host = mail.email.rpartition("@")
    try:
        ascii_host = host if host.isascii() else host.encode("idna").decode("ascii")
        return Address(_one_line(mail.name)[:100], addr_spec=f"{name}@{ascii_host}")
    except (ValueError, IndexError, UnicodeError) as error:
        raise NotSentError("No mail can be sent to this address.", "address", for_good=True) from error


def _subject(kind: str) -> str:
    return {PASSWORD_RESET: "Set a new password", MAIL_TEST: "A test from Hayon"}.get(kind) or KINDS[kind].subject


def _plain(greeting: str, words: str, lines: Sequence[_Line], way: _Line | None, choosing: str | None) -> str:
    parts = [greeting, words]
    if lines:
        parts.append("\n".join(f"- {line.text}" + (f"\n  {line.url}" if line.url else "") for line in lines))
    if way:
        parts.append(f"{way.text}: {way.url}")
    if choosing:
        parts.append(f"-- \nHayon sent this. Choose what you get by mail: {choosing}")
    return "\n\n".join(parts) + "\n"


def _html(
    title: str, greeting: str, words: str, lines: Sequence[_Line], way: _Line | None, choosing: str | None
) -> str:
    parts = [f"<p>{_text(greeting)}</p>", f"<p>{_text(words)}</p>"]
    if lines:
        entries = (f"<li>{_text(line.text)}{_link(line.url, line.url)}</li>" for line in lines)
        parts.append(f"<ul>{''.join(entries)}</ul>")
    if way:
        parts.append(f"<p>{_link(way.url, way.text)}</p>")
    if choosing:
        parts.append(f"<p><small>Hayon sent this. {_link(choosing, 'Choose what you get by mail')}</small></p>")
    head = f'<head><meta charset="utf-8"><title>{_text(title)}</title></head>'
    return f'<!DOCTYPE html><html lang="en">{head}<body>{"".join(parts)}</body></html>\n'


def _link(url: str | None, shown: str | None) -> str:
    return f' <a href="{html.escape(url)}">{_text(shown or url)}</a>' if url else ""


def _text(words: str) -> str:
    return html.escape(words).replace("\n", "<br>")


def _one_line(words: str) -> str:
    return _CONTROLS.sub(" ", words).strip()
