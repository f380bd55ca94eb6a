"""The composition root: Settings become one Hayon. The only room that knows every implementation."""

import asyncio
import fcntl
from collections.abc import AsyncIterator, Collection, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from hayon import __version__, telemetry
from hayon.accounts import Accounts
from hayon.brokers.contract import Broker
from hayon.brokers.embedded import EmbeddedBroker
from hayon.connecting import Connecting
from hayon.delivery.agreement import Agreement
from hayon.delivery.deliver import Delivery, Times
from hayon.delivery.files import Files
from hayon.delivery.locating import Locating
from hayon.delivery.mirroring import Mirroring
from hayon.delivery.picturing import Picturing
from hayon.delivery.relay import Relay
from hayon.delivery.renewing import Renewing
from hayon.delivery.ringing import Ringing
from hayon.delivery.sources import FromBells, FromIndex
from hayon.delivery.submit import Submission
from hayon.delivery.tending import Tending
from hayon.delivery.worker import Source, Worker
from hayon.domain.pacing import Patience
from hayon.errors import BrokerUnreachable, Misconfigured
from hayon.media import LocalFolder, MediaStore, Reach, fit_bytes
from hayon.media.s3 import S3Bucket, S3Place, read_s3_url
from hayon.notifying import Leaving, open_postbox
from hayon.outgoing import Outgoing
from hayon.platforms.bluesky import Bluesky
from hayon.platforms.contract import Platform
from hayon.platforms.facebook import Facebook
from hayon.platforms.instagram import Instagram
from hayon.platforms.mastodon import Mastodon
from hayon.platforms.threads import Threads
from hayon.platforms.tumblr import Tumblr
from hayon.settings import Settings
from hayon.store.database import Database, sqlite_path
from hayon.store.migrate import migrate, require_newest
from hayon.store.wakeups import Wakeups
from hayon.vault import Vault, load_or_make_secret_key
from hayon.vitals import Vitals

MOST_PREFETCHED = 2000
"""A quorum queue hands out no more to one listener (rabbitmq-website: docs/quorum-queues.md)."""


class Part(StrEnum):
    """What a process does of the whole."""

    WEB = "web"  # pages and API
    RELAY = "relay"  # rings, sweeps, tends files, looks for addresses
    WORKER = "worker"  # delivers


@dataclass(frozen=True, slots=True)
class Hayon:
    """Everything, put together. `web` and `cli` speak to these rooms and build none themselves."""

    settings: Settings
    database: Database
    broker: Broker
    vault: Vault
    outgoing: Outgoing
    media: MediaStore
    reach: Reach
    platforms: Mapping[str, Platform]
    accounts: Accounts
    connecting: Connecting
    submission: Submission
    worker: Worker
    relay: Relay
    ringing: Ringing
    mirroring: Mirroring
    tending: Tending
    locating: Locating
    renewing: Renewing
    picturing: Picturing
    leaving: Leaving
    wakeups: Wakeups
    agreement: Agreement
    vitals: Vitals

    async def run_duties(
        self, *others: tuple[str, Coroutine[Any, Any, Any]], parts: Collection[Part] = frozenset(Part)
    ) -> None:
        """Runs the duties of these parts, and the others given, until one of the others ends or any dies.

        A duty that dies ends the process: limping on would look like working.
        """
        duties: dict[str, Coroutine[Any, Any, Any]] = {"wake-ups": self.wakeups.keep(" ".join(sorted(parts)))}
        if Part.RELAY in parts or Part.WORKER in parts:
            await self._open_broker()
            duties["broker"] = self.broker.keep()
        if Part.RELAY in parts:
            duties |= {
                "sweep": self.relay.sweep(), "parking": self.mirroring.run(), "media": self.tending.run(),
                "locating": self.locating.run(), "leaving": self.leaving.run(),
                "renewing": self.renewing.run(), "picturing": self.picturing.run(),
            }  # fmt: skip
            if self.broker.by_name:
                duties["ring"] = self.ringing.run()
        if Part.WORKER in parts:
            duties["worker"] = self.worker.run()
            if not self.broker.by_name:
                duties["timers"] = self.relay.ring()
        if Part.RELAY in parts or Part.WORKER in parts:
            # nothing is delivered, rung or swept before it is known that this database is not an older one
            duties = {name: self.agreement.first(duty) for name, duty in duties.items()}
            duties["generation"] = self.agreement.keep()
        tasks = [asyncio.create_task(duty, name=name) for name, duty in [*duties.items(), *others]]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if not task.cancelled() and task.exception() is not None:
                    telemetry.emit("duty.failed", level="error", duty=task.get_name(), reason=repr(task.exception()))
                task.result()
        finally:
            self.worker.stop()
            self.agreement.let_go()
            for task in tasks:
                if task.get_name() != "worker":
                    task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @asynccontextmanager
    async def reaching_broker(self) -> AsyncIterator[Broker]:
        """The broker, for a question that a person asks. Raises BrokerUnreachable, and Misconfigured.

        Pages alone neither ring nor listen, so such a process has a link only for the length of a question.
        """
        if self.broker.links:
            yield self.broker
            return
        visitor = open_broker(self.settings, probing=False)
        try:
            await visitor.open()
            yield visitor
        finally:
            await visitor.aclose()

    async def _open_broker(self) -> None:
        """A broker that is away keeps nobody waiting: its own duty makes the link and tries the wiring out as soon as it is there.

        Raises Misconfigured where it is wired in another way.
        """
        try:
            await self.broker.open()
        except BrokerUnreachable as error:
            telemetry.emit("broker.unreachable", level="warning", reason=str(error))


@asynccontextmanager
async def open_hayon(
    settings: Settings, *, database: Database | None = None, outgoing: Outgoing | None = None, migrating: bool = True,
    agreeing: bool = True,
) -> AsyncIterator[Hayon]:  # fmt: skip
    """Puts everything together and takes it apart again. Raises Misconfigured with what to mend.

    `database` and `outgoing` replace the ones that the settings name (tests hand in ones that break on purpose).
    `agreeing`: a database that is older than the files know it is refused; `hayon restored` alone wants to see it.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    url = database_url(settings)
    with _only_process(url):
        if migrating:
            await migrate(url)
        else:
            await require_newest(url)
        database = database or Database(url)
        database.mailing = bool(settings.smtp_url)
        outgoing = outgoing or open_outgoing(settings)
        hayon = _put_together(settings, database, outgoing)
        try:
            if agreeing:
                await hayon.agreement.ask_at_start()
            yield hayon
        finally:
            await hayon.broker.aclose()
            await outgoing.aclose()
            await database.close()


def database_url(settings: Settings) -> str:
    """Where the truth is kept: as set, or SQLite in the data folder."""
    return settings.database_url or f"sqlite:///{(settings.data_dir / 'hayon.db').absolute()}"


def _put_together(settings: Settings, database: Database, outgoing: Outgoing) -> Hayon:
    secret = settings.secret_key or load_or_make_secret_key(settings.data_dir / "secret.key")
    vault = _vault(settings, secret)
    media = open_media(settings, vault, outgoing)
    reach = Reach(media, outgoing, settings.public_url or _listened_at(settings))
    platforms = make_platforms(settings)
    broker = open_broker(settings)
    wakeups = Wakeups(database_url(settings))
    accounts = Accounts(database, vault, outgoing, platforms)
    patience = Patience(
        steps=settings.retry_steps, lasts=settings.patience, look_steps=settings.look_steps,
        looks_last=settings.looks_last,
    )  # fmt: skip
    times = Times(settings.lease, settings.commit_deadline, settings.settles_within)
    delivery = Delivery(
        database, accounts, platforms, Files(media, reach), outgoing, times, patience, link_cards=settings.link_cards
    )
    ringing = Ringing(
        database, broker, tuple(platforms), window=settings.window, wait=settings.bell_wait,
        look_ahead=settings.look_ahead, poll=settings.poll, retry_steps=settings.retry_steps,
        schedule_via=settings.schedule_via,
    )  # fmt: skip
    if broker.by_name:
        wakeups.add(ringing.wake)
        # bells of one platform that wait for room must not keep those of another from being heard
        prefetch = min(MOST_PREFETCHED, 2 * settings.window * len(platforms))
        source: Source = FromBells(database, broker, ringing, wakeups, prefetch=prefetch, lease=settings.lease)
    else:
        wakeups.add(broker.wake)
        source = FromIndex(database, broker, settings.lease)
    worker = Worker(
        database, source, delivery, platforms, slots=settings.worker_slots, lease=settings.lease, poll=settings.poll,
        grace=settings.grace,
    )  # fmt: skip
    relay = Relay(
        database, wakeups, look_ahead=settings.look_ahead, poll=settings.poll, sweep_every=settings.sweep_every,
        lease=settings.lease, lost_leases_limit=patience.lost_leases,
    )  # fmt: skip
    return Hayon(
        settings, database, broker, vault, outgoing, media, reach, platforms, accounts,
        Connecting(database, vault, outgoing, platforms, accounts),
        Submission(database, wakeups.wake, platforms, reach, look_ahead=settings.look_ahead), worker, relay, ringing,
        Mirroring(database, broker, every=settings.sweep_every), Tending(database, media),
        Locating(database, accounts, platforms, outgoing, poll=settings.poll),
        Renewing(database, accounts, every=settings.sweep_every),
        Picturing(database, media, outgoing, every=settings.sweep_every),
        Leaving(
            database, vault, outgoing, open_postbox(settings.smtp_url, settings.mail_from),
            public_url=public_address(settings), poll=settings.poll,
        ),
        wakeups,
        Agreement(database, media), Vitals(database, broker, tuple(platforms)),
    )  # fmt: skip


def public_address(settings: Settings) -> str:
    """Where people and platforms reach this, as far as the settings say, without a slash at its end."""
    return (settings.public_url or _listened_at(settings)).rstrip("/")


def present_vault(settings: Settings) -> Vault:
    """The vault of a Hayon that exists. Raises Misconfigured where it has no key: none is made here."""
    path = settings.data_dir / "secret.key"
    if not settings.secret_key and not path.exists():
        raise Misconfigured(f"There is no secret key: HAYON_SECRET_KEY is not set, and {path} is not there.")
    return _vault(settings, settings.secret_key or load_or_make_secret_key(path))


def _vault(settings: Settings, secret: str) -> Vault:
    return Vault([secret, *([settings.previous_secret_key] if settings.previous_secret_key else [])])


def _listened_at(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def open_outgoing(settings: Settings) -> Outgoing:
    """The one way out, for these settings. Whoever opens it closes it."""
    named = (
        settings.bluesky_url, settings.bluesky_video_url, settings.mastodon_url, settings.threads_url,
        settings.instagram_url, settings.facebook_url, settings.tumblr_url,
    )  # fmt: skip
    place = media_place(settings)
    own = [*([settings.public_url] if settings.public_url else ()), *(place.origins if place else ())]
    return Outgoing(
        identity=f"Hayon/{__version__}", timeout_seconds=settings.call_deadline.total_seconds(),
        trusted_origins=[address for address in named if address], own_origins=own,
        allow_private_addresses=settings.allow_private_addresses, per_host=max(256, settings.worker_slots),
    )  # fmt: skip


def make_platforms(settings: Settings) -> dict[str, Platform]:
    """Every adapter, in the order in which they are named everywhere."""
    bluesky = Bluesky(
        settings.bluesky_url, fit=fit_bytes, link_cards=settings.link_cards, video_url=_video_url(settings)
    )
    resend, version = settings.resend_containers, settings.graph_version
    return {
        "bluesky": bluesky,
        "threads": Threads(
            settings.threads_url,
            settings.threads_version,
            resend=resend,
            app_id=settings.threads_app_id,
            app_secret=settings.threads_app_secret,
        ),
        "instagram": Instagram(
            settings.instagram_url,
            version,
            resend=resend,
            app_id=settings.instagram_app_id,
            app_secret=settings.instagram_app_secret,
        ),
        "facebook": Facebook(
            settings.facebook_url,
            version=version,
            two_phase_text=settings.facebook_drafts,
            app_id=settings.facebook_app_id,
            app_secret=settings.facebook_app_secret,
        ),
        "mastodon": Mastodon(),
        "tumblr": Tumblr(
            settings.tumblr_url, settings.tumblr_app_id, settings.tumblr_app_secret, direct=settings.tumblr_direct
        ),
    }


def _video_url(settings: Settings) -> str | None:
    """Bluesky's video service; none where another server was named and no service of its own: a set address replaces all."""
    live = Settings()
    elsewhere = settings.bluesky_url != live.bluesky_url and settings.bluesky_video_url == live.bluesky_video_url
    return None if elsewhere else settings.bluesky_video_url or None


def open_broker(settings: Settings, *, probing: bool = True) -> Broker:
    """The bell that the settings name; nothing is connected yet. Raises Misconfigured."""
    if settings.broker_url == "embedded://":
        return EmbeddedBroker()
    if not settings.broker_url.startswith(("amqp://", "amqps://")):
        raise Misconfigured("HAYON_BROKER_URL takes embedded:// or amqp://user:password@host/vhost.")
    from hayon.brokers.rabbitmq import RabbitMQ

    return RabbitMQ(
        settings.broker_url, retry_steps=settings.retry_steps, schedule_via=settings.schedule_via, tell=telemetry.emit,
        probing=probing,
    )  # fmt: skip


def open_media(settings: Settings, vault: Vault, outgoing: Outgoing) -> MediaStore:
    """Where files are kept, as the settings say; nothing is asked yet. Raises Misconfigured."""
    url = settings.media_url or f"file://{(settings.data_dir / 'media').absolute()}"
    if (place := media_place(settings)) is not None:
        return S3Bucket(place, outgoing, scratch=settings.data_dir)
    if not url.startswith("file://"):
        raise Misconfigured(
            f"HAYON_MEDIA_URL does not work with {url!r}: it takes file:///path or s3://bucket?endpoint=…."
        )
    return LocalFolder(Path(url.removeprefix("file://")), vault)


def media_place(settings: Settings) -> S3Place | None:
    """The bucket that the settings name; None where files are kept in a folder. Raises Misconfigured."""
    if not settings.media_url.startswith("s3://"):
        return None
    return read_s3_url(settings.media_url, settings.s3_access_key, settings.s3_secret_key)


@contextmanager
def _only_process(url: str) -> Iterator[None]:
    """SQLite belongs to one process: a second one on the same file is refused, not half served."""
    path = sqlite_path(url)
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)  # unpublished posts and password hashes are nobody else's; SQLite's side files take its mode
    with path.with_name(f"{path.name}.lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Misconfigured(
                f"Another Hayon works on {path} already. Stop it, or set HAYON_DATA_DIR to another folder."
            ) from error
        yield
