"""Mails leave for a real SMTP server: what they say, how they are encrypted, what is tried again, and what is given up."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from hayon.domain.notices import MAIL_TEST, PASSWORD_RESET
from hayon.errors import Misconfigured, Rejected
from hayon.notifying import Leaving
from hayon.notifying.mail import AwayError, SmtpServer, Tls, open_postbox, read_sender, read_smtp_url
from hayon.store import leaving, notices
from hayon.store.schema import mails, users
from tests.delivery.scripted import House
from tests.notifying.office import (
    PASSWORD,
    SENDER,
    USER,
    Office,
    certificate,
    leaving_of,
    mails_of,
    open_office,
    postbox_of,
)

LOGIN = f"{USER}:{PASSWORD.replace(' ', '%20').replace(chr(39), '%27')}@"


def part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content())


async def write_test_mail(house: House) -> UUID:
    return await house.database.write(leaving.insert_mail, house.user_id, MAIL_TEST)


async def one_mail(house: House) -> Any:
    (row,) = await mails_of(house)
    return row


async def test_a_failed_post_arrives_by_mail(house: House, office: Office) -> None:
    house.platform.before = [Rejected("The words are not allowed.", proves_absence=True)]
    post_id = await house.submit()
    await house.deliver_due()
    row = await one_mail(house)
    assert await leaving_of(house, postbox_of(office)).send_once() == 1
    (mail,) = office.mails
    assert office.recipients == [f"{house.user_id}@example.test"]
    assert mail["Subject"] == "Your post was not published"
    assert mail["From"] == "Hayon <hayon@house.test>"
    assert mail["Message-ID"] == f"<{row.id}@house.test>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe"] == "<https://house.test/settings/mail>"
    for kind in ("plain", "html"):
        shown = part(mail, kind)
        for word in (
            "Your post was not published: 1 account did not work.",
            "ann (scripted): failed: The words are not allowed.",
            f"https://house.test/posts/{post_id}", "https://house.test/settings/mail",
        ):  # fmt: skip
            assert word in shown, (kind, word)
    row = await one_mail(house)
    assert (row.due_at, row.lease_until, row.error) == (None, None, "")
    assert row.sent_at == house.clock.now
    assert await leaving_of(house, postbox_of(office)).send_once() == 0


async def test_html_in_what_is_told_is_escaped(house: House, office: Office) -> None:
    evil = '<script>alert("1")</script><img src=x onerror=alert(1)>&'
    house.platform.before = [Rejected(evil, proves_absence=True)]
    named = sa.update(users).values(name=evil)
    await house.database.write(lambda tx: tx.run(named))
    await house.submit()
    await house.deliver_due()
    await leaving_of(house, postbox_of(office)).send_once()
    shown = part(office.mails[0], "html")
    assert "<script" not in shown
    assert "<img" not in shown
    assert shown.count("&lt;script&gt;") == 2  # the name in the greeting, the platform's answer in the list
    assert evil in part(office.mails[0], "plain")


@pytest.mark.parametrize(
    "name", ["Ada\r\nBcc: eve@evil.test", "Ada\nSubject: Won", 'Ada" <eve@evil.test>, "', "A\u2028B\x00"]
)
async def test_no_name_adds_a_header_or_a_recipient(house: House, office: Office, name: str) -> None:
    named = sa.update(users).values(name=name.replace("\x00", "\x01"))
    await house.database.write(lambda tx: tx.run(named))
    await write_test_mail(house)
    await leaving_of(house, postbox_of(office)).send_once()
    (mail,) = office.mails
    assert office.recipients == [f"{house.user_id}@example.test"]
    assert mail["Bcc"] is None
    assert mail["Subject"] == "A test from Hayon"
    assert [one.addr_spec for one in mail["To"].addresses] == [f"{house.user_id}@example.test"]


@pytest.mark.parametrize(
    "address",
    ["ada@example.test\r\nRCPT TO:<eve@evil.test>", "ada@example.test>,<eve@evil.test", "a,b@example.test", "ada@"],
)
async def test_an_address_that_is_none_is_given_up_at_once(house: House, office: Office, address: str) -> None:
    await house.database.write(lambda tx: tx.run(sa.update(users).values(email=address)))
    await write_test_mail(house)
    await leaving_of(house, postbox_of(office)).send_once()
    assert (office.mails, office.recipients) == ([], [])
    row = await one_mail(house)
    assert (row.due_at, row.sent_at, row.error) == (None, None, "No mail can be sent to this address.")


async def test_a_refusal_for_good_is_not_repeated_and_one_for_now_is(house: House, office: Office) -> None:
    sends = leaving_of(house, postbox_of(office))
    await write_test_mail(house)
    office.says = ["550 5.1.1 nobody of\x07 that name"]
    await sends.send_once()
    row = await one_mail(house)
    assert (row.due_at, row.sent_at, row.tries) == (None, None, 1)
    assert row.error == "The mail server refused it: 550 5.1.1 nobody of that name."
    await house.database.write(lambda tx: tx.run(sa.delete(mails)))
    await write_test_mail(house)
    office.refuses = {f"{house.user_id}@example.test": "451 4.7.1 later"}
    await sends.send_once()
    row = await one_mail(house)
    assert (row.tries, row.due_at) == (1, house.clock.now + timedelta(minutes=1))
    assert await sends.send_once() == 0
    office.refuses = {}
    house.clock.forward(60)
    assert await sends.send_once() == 1
    assert len(office.mails) == 1
    assert (await one_mail(house)).sent_at == house.clock.now


async def test_what_is_never_taken_is_given_up_after_a_day(house: House, office: Office) -> None:
    await write_test_mail(house)
    began = house.clock.now
    office.always = "451 4.3.0 not now"
    sends = leaving_of(house, postbox_of(office))
    waits = []
    while (row := await one_mail(house)).due_at is not None:
        house.clock.now = row.due_at
        waits.append((house.clock.now - began).total_seconds() / 60)
        await sends.send_once()
    assert waits == [0, 1, 6, 21, 51, 111, 231, 471, 951, 1431]
    assert (row.sent_at, row.error) == (None, "The mail server refused it: 451 4.3.0 not now.")
    assert office.mails == []


async def test_a_server_that_is_away_costs_the_first_in_line_a_try(house: House, office: Office) -> None:
    nowhere = open_postbox("smtp://127.0.0.1:1?tls=off", SENDER)
    for _ in range(3):
        await write_test_mail(house)
        house.clock.forward(0.01)
    assert await leaving_of(house, nowhere).send_once() == 0
    first, *others = await mails_of(house)
    assert (first.tries, first.error) == (1, "127.0.0.1:1 cannot be reached.")
    assert [one.tries for one in others] == [0, 0]
    assert {one.due_at for one in (first, *others)} == {first.due_at}
    house.clock.forward(61)
    assert await leaving_of(house, postbox_of(office)).send_once() == 3
    assert len(office.mails) == 3


async def test_what_nobody_could_send_in_a_day_is_not_sent_in_a_month(house: House, office: Office) -> None:
    await write_test_mail(house)
    house.clock.forward(24 * 3600)
    assert await house.database.write(leaving.give_up_stale) == 0
    house.clock.forward(3601)
    assert await house.database.write(leaving.give_up_stale) == 1
    assert await leaving_of(house, postbox_of(office)).send_once() == 0
    assert (await one_mail(house)).error == "It was not sent in time."


async def test_the_link_to_a_new_password_is_in_the_mail_and_then_nowhere(house: House, office: Office) -> None:
    link = "https://house.test/reset?token=a-secret<&"
    await house.database.write(
        leaving.insert_mail,
        house.user_id,
        PASSWORD_RESET,
        seal=lambda context: house.vault.seal({"link": link}, context),
    )
    row = await one_mail(house)
    assert b"a-secret" not in row.sealed
    office.says = ["451 4.3.0 not now"]
    sends = leaving_of(house, postbox_of(office))
    await sends.send_once()
    assert (await one_mail(house)).sealed == row.sealed, "it is tried again"
    house.clock.forward(60)
    await sends.send_once()
    (mail,) = office.mails
    assert mail["Subject"] == "Set a new password"
    assert mail["List-Unsubscribe"] is None
    assert link in part(mail, "plain")
    assert "https://house.test/reset?token=a-secret&lt;&amp;" in part(mail, "html")
    assert (await one_mail(house)).sealed is None


async def test_a_link_that_is_good_for_an_hour_is_not_mailed_later(house: House, office: Office) -> None:
    for _ in range(2):
        await house.database.write(
            leaving.insert_mail,
            house.user_id,
            PASSWORD_RESET,
            seal=lambda context: house.vault.seal({"link": "x"}, context),
        )
    office.always = "451 4.3.0 not now"
    sends = leaving_of(house, postbox_of(office))
    last = house.clock.now
    while due := [row.due_at for row in await mails_of(house) if row.due_at is not None]:
        last = house.clock.now = min(due)
        await sends.send_once()
    assert (last - (await mails_of(house))[0].created_at) == timedelta(minutes=51)
    assert [row.sealed for row in await mails_of(house)] == [None, None]


async def test_a_notice_says_what_it_says_when_it_leaves(house: House, office: Office) -> None:
    """What was too late is gathered for a while; the mail lists all of it."""
    for number in (1, 2):
        found = notices.Late(house.user_id, house.user_id, "scripted", f"ann{number}", house.clock.now)
        await house.database.write(notices.too_late, house.user_id, [found], house.clock.now)
    sends = leaving_of(house, postbox_of(office))
    assert await sends.send_once() == 0
    house.clock.forward(60)
    assert await sends.send_once() == 1
    shown = part(office.mails[0], "plain")
    assert "- ann1 (scripted)" in shown
    assert "- ann2 (scripted)" in shown


async def test_killed_after_it_was_handed_over_it_is_sent_again_under_the_same_id(house: House, office: Office) -> None:
    await write_test_mail(house)
    dying = await house.database.write(leaving.claim_mails, 10, timedelta(minutes=10))
    async with postbox_of(office).visit() as visit:
        await leaving_of(house, postbox_of(office))._send_mail(dying[0], visit.send)
        await house.database.write(
            lambda tx: tx.run(
                sa.update(mails).values(sent_at=None, due_at=dying_until(house), lease_until=dying_until(house))
            )
        )  # as if it had died before it wrote that down
    sends = leaving_of(house, postbox_of(office))
    assert await sends.send_once() == 0, "somebody has its lease"
    house.clock.forward(600)
    assert await sends.send_once() == 1
    assert [mail["Message-ID"] for mail in office.mails] == [f"<{dying[0].id}@house.test>"] * 2
    late = await house.database.write(leaving.settle_mail, dying[0], error="Too late to say.")
    assert (late, (await one_mail(house)).error) == (None, ""), "whoever lost the lease settles nothing"


def dying_until(house: House) -> Any:
    return house.clock.now + timedelta(minutes=10)


async def test_two_processes_send_each_mail_once(house: House, office: Office) -> None:
    ids = {await write_test_mail(house) for _ in range(60)}
    both = [leaving_of(house, postbox_of(office)) for _ in range(2)]
    while any(await asyncio.gather(*(one.send_once() for one in both))):
        pass
    assert sorted(mail["Message-ID"] for mail in office.mails) == sorted(f"<{one}@house.test>" for one in ids)


async def test_the_duty_sends_by_itself_until_it_is_stopped(house: House, office: Office) -> None:
    duty: asyncio.Task[None] = asyncio.create_task(leaving_of(house, postbox_of(office)).run())
    for count in (1, 2):
        await write_test_mail(house)
        async with asyncio.timeout(20):
            await office.arrived.wait()
        office.arrived.clear()
        assert len(office.mails) == count
    duty.cancel()
    with pytest.raises(asyncio.CancelledError):
        await duty


@pytest.fixture
async def plain_office() -> AsyncIterator[Office]:
    async with open_office(login=True) as opened:
        yield opened


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    with certificate(tmp_path, "localhost") as (context, cert):
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        yield context


async def test_encrypted_from_the_first_byte_and_logged_in(trusted: Any) -> None:
    async with open_office(tls=trusted, first=True, login=True) as office:
        right = open_postbox(office.url("smtps", host="localhost", login=LOGIN), SENDER)
        assert right is not None
        assert await right.check() == f"localhost:{office.port} answers, encrypted, logged in as {USER}"
        wrong = open_postbox(office.url("smtps", host="localhost", login="hayon:wrong@"), SENDER)
        assert wrong is not None
        with pytest.raises(AwayError, match="refuses user name and password") as refused:
            await wrong.check()
        assert "wrong" not in str(refused.value)


async def test_encrypted_by_starttls(trusted: Any) -> None:
    async with open_office(tls=trusted, starttls=True, login=True) as office:
        for more in ("?tls=required", "?tls=offered", ""):
            box = open_postbox(office.url(host="localhost", login=LOGIN, more=more), SENDER)
            assert box is not None
            async with box.visit() as visit:
                assert visit._client.get_transport_info("cipher")


async def test_a_password_is_not_sent_in_the_open_where_encryption_is_required(plain_office: Office) -> None:
    box = open_postbox(plain_office.url(login=LOGIN, more="?tls=required"), SENDER)
    assert box is not None
    with pytest.raises(AwayError, match="offers no encryption"):
        await box.check()
    named = open_postbox(plain_office.url(login=LOGIN, more="?tls=off"), SENDER)
    assert named is not None
    assert "unencrypted" in await named.check()


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    with certificate(tmp_path, "localhost") as (context, _):
        async with open_office(tls=context, first=True) as office:
            box = open_postbox(office.url("smtps", host="localhost"), SENDER)
            assert box is not None
            with pytest.raises(AwayError, match="certificate"):
                await box.check()


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.test", SmtpServer("mail.test", 587, Tls.REQUIRED)),
        ("smtp://a%40b:p%3Aw@mail.test:2525", SmtpServer("mail.test", 2525, Tls.REQUIRED, "a@b", "p:w")),
        ("smtps://u:secret@mail.test", SmtpServer("mail.test", 465, Tls.FIRST, "u", "secret")),
        ("smtp://localhost:25", SmtpServer("localhost", 25, Tls.OFFERED)),
        ("smtp://relay.test:25?tls=off", SmtpServer("relay.test", 25, Tls.OFF)),
    ],
)
def test_how_the_server_is_named(url: str, server: SmtpServer) -> None:
    assert read_smtp_url(url) == server
    assert "secret" not in repr(read_smtp_url(url))


@pytest.mark.parametrize(
    "url", ["mail.test", "http://mail.test", "smtp://", "smtp://mail.test:x", "smtp://mail.test/box", "smtp://mail.test?tls=no",
            "smtps://mail.test?tls=off", "smtp://u:secret@mail.test?ssl=1"]
)  # fmt: skip
def test_what_names_no_server_stops_the_start(url: str) -> None:
    with pytest.raises(Misconfigured, match="HAYON_SMTP_URL") as error:
        read_smtp_url(url)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("sender", ["", "nobody", "a@b@c", "Hayon <hayon@>", "häyon@house.test"])
def test_a_sender_that_is_no_address_stops_the_start(sender: str) -> None:
    with pytest.raises(Misconfigured, match="HAYON_MAIL_FROM"):
        open_postbox("smtp://mail.test", sender)


def test_the_sender_may_have_a_name() -> None:
    assert str(read_sender("Häyon <hayon@house.test>")) == "Häyon <hayon@house.test>"
    assert open_postbox("", "") is None


async def test_a_mail_that_nobody_foresaw_stops_no_other(
    house: House, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A duty that dies ends its process: one strange mail must not."""
    for _ in range(2):
        await write_test_mail(house)
        house.clock.forward(0.01)
    first, second = await mails_of(house)
    whole = leaving_of(house, postbox_of(office))
    from hayon.notifying import leaving as duty

    compose = duty.compose

    def fail(mail: Any, *rest: Any) -> EmailMessage:
        if mail.id == first.id:
            raise KeyError("strange")
        return compose(mail, *rest)

    monkeypatch.setattr(duty, "compose", fail)
    assert isinstance(whole, Leaving)
    assert await whole.send_once() == 2
    assert [mail["Message-ID"] for mail in office.mails] == [f"<{second.id}@house.test>"]
    assert (await mails_of(house))[0].error == "It could not be sent: KeyError."
