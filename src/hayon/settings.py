"""The environment (HAYON_*) read once into one frozen Settings. The only file that looks at the environment.

Every setting can be given by value (`HAYON_X`) or as the path of a file that holds it (`HAYON_X_FILE`).
"""

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from hayon.errors import Misconfigured

PREFIX = "HAYON_"


def _text(value: str) -> str:
    return value.strip()


def _flag(value: str) -> bool:
    known = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    if value.strip().lower() not in known:
        raise ValueError("say true or false")
    return known[value.strip().lower()]


def _count(value: str) -> int:
    if not value.strip().isdecimal() or int(value) < 1:
        raise ValueError("say a whole number of at least 1")
    return int(value)


def _port(value: str) -> int:
    if not value.strip().isdecimal() or int(value) > 65535:
        raise ValueError("say a port from 0 (any free one) to 65535")
    return int(value)


def _one_of(*words: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value.strip() not in words:
            raise ValueError(f"say {' or '.join(words)}")
        return value.strip()

    return read


def _address(value: str) -> str:
    address = value.strip().rstrip("/")
    if not address.startswith(("http://", "https://")):
        raise ValueError("say a full address that begins with https:// or http://")
    return address


def _length(value: str) -> timedelta:
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
    word = value.strip().lower()
    for unit in ("ms", "s", "m", "h", "d"):
        number = word.removesuffix(unit)
        if number != word and number.strip().replace(".", "", 1).isdigit():
            return timedelta(seconds=float(number) * units[unit])
    if word.replace(".", "", 1).isdigit():
        return timedelta(seconds=float(word))
    raise ValueError("say a length of time such as 90s, 30m, 6h or 2d")


def _lengths(value: str) -> tuple[timedelta, ...]:
    return tuple(_length(part) for part in value.split(",") if part.strip())


def _words(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _networks(value: str) -> tuple[str, ...]:
    for one in _words(value):
        try:
            ip_network(one, strict=False)
        except ValueError:
            raise ValueError("say addresses or ranges such as 10.0.0.1 or fd00::/8, with commas between them") from None
    return _words(value)


def _setting(meaning: str, read: Callable[[str], Any], default: Any, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"meaning": meaning, "read": read, "secret": secret}, repr=not secret)


_S = timedelta


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set. `docs/operating.md` lists them, and a test holds the list and this class together."""

    data_dir: Path = _setting("folder for the database, media and keys of the smallest shape", Path, Path("data"))
    database_url: str = _setting(
        "where the truth is kept: sqlite:///path or postgresql://user:password@host/name; empty means SQLite in the data folder",
        _text,
        "",
        secret=True,
    )
    broker_url: str = _setting(
        "the bell: embedded://, or amqp://user:password@host/vhost (amqps:// encrypted)",
        _text,
        "embedded://",
        secret=True,
    )
    schedule_via: str = _setting(
        "who rings for a scheduled post: database, or with RabbitMQ also ttl (waiting rooms) or plugin (the delayed message exchange)",
        _one_of("database", "ttl", "plugin"),
        "database",
    )
    window: int = _setting(
        "with RabbitMQ: how many bells of one platform may be on their way to workers at once", _count, 128
    )
    bell_wait: timedelta = _setting(
        "with RabbitMQ: how long to wait for a bell's being heard before it is rung again; doubles up to 5m",
        _length,
        _S(seconds=5),
    )
    media_url: str = _setting(
        "where files are kept: file:///path, or s3://bucket?endpoint=https://host&region=name; empty means a folder in the data folder",
        _text,
        "",
    )
    s3_access_key: str = _setting("the access key of the bucket", _text, "")
    s3_secret_key: str = _setting("the secret key of the bucket", _text, "", secret=True)
    secret_key: str = _setting(
        "seals credentials and signs addresses of files; made in the data folder at the first start when not set",
        _text,
        "",
        secret=True,
    )
    previous_secret_key: str = _setting(
        "an older secret key that may still open what it sealed", _text, "", secret=True
    )
    public_url: str = _setting(
        "the address people and platforms reach this at; empty means the address it listens on", _text, ""
    )
    host: str = _setting("address to listen on", _text, "127.0.0.1")
    port: int = _setting("port to listen on; 0 takes any free one", _port, 8080)
    metrics_host: str = _setting(
        "address on which a relay or worker of its own shows its vital signs; the pages show theirs at /metrics",
        _text,
        "127.0.0.1",
    )
    metrics_port: int = _setting("port of that address for /metrics, /healthz and /readyz; 0 means none", _port, 0)
    log: str = _setting("console or json", _one_of("console", "json"), "console")
    traces_url: str = _setting(
        "a collector of traces that takes OTLP over HTTP, such as http://127.0.0.1:4318; empty records none", _text, ""
    )
    registration: str = _setting(
        "who may register: first (the first person only) or open", _one_of("first", "open"), "first"
    )
    trusted_proxies: tuple[str, ...] = _setting(
        "addresses or ranges of proxies whose X-Forwarded-For counts; no other header does", _networks, ()
    )
    smtp_url: str = _setting(
        "the server that takes mails: smtp://user:password@host:587 (STARTTLS), or smtps://user:password@host:465; empty sends none",
        _text,
        "",
        secret=True,
    )
    mail_from: str = _setting(
        "whom mails come from, such as Hayon <hayon@example.org>; needed with HAYON_SMTP_URL", _text, ""
    )

    bluesky_url: str = _setting("default Bluesky service", _address, "https://bsky.social")
    mastodon_url: str = _setting(
        "an instance offered when connecting Mastodon, and trusted; the account names its own", _text, ""
    )
    bluesky_video_url: str = _setting(
        "Bluesky's video service; none where HAYON_BLUESKY_URL names another server: videos go straight to the account's own server",
        _text,
        "https://video.bsky.app",
    )
    threads_url: str = _setting("where Threads' API is", _address, "https://graph.threads.net")
    threads_app_id: str = _setting("the Threads app id of the app registered at Meta", _text, "")
    threads_app_secret: str = _setting("the Threads app secret of that app", _text, "", secret=True)
    threads_version: str = _setting("the version of Threads' API that is spoken", _text, "v1.0")
    instagram_url: str = _setting(
        "where Instagram's API is, for accounts connected by Instagram Login",
        _address,
        "https://graph.instagram.com",
    )
    instagram_app_id: str = _setting("the Instagram app id of the app registered at Meta", _text, "")
    instagram_app_secret: str = _setting("the Instagram app secret of that app", _text, "", secret=True)
    facebook_url: str = _setting("where Facebook's API is", _address, "https://graph.facebook.com")
    facebook_app_id: str = _setting(
        "the id of the app whose tokens publish on Facebook; tells its posts from others with the same words", _text, ""
    )
    facebook_app_secret: str = _setting(
        "the secret of that app: with it people connect Pages by logging in at Facebook", _text, "", secret=True
    )
    graph_version: str = _setting("the version of Instagram's and Facebook's API that is spoken", _text, "v25.0")
    resend_containers: bool = _setting(
        "when a post to Threads or Instagram stays unanswered and nothing of it is listed after its settling time: publish the same container once more, instead of asking a person",
        _flag,
        False,
    )
    facebook_drafts: bool = _setting(
        "publish text on Facebook as an unpublished post that is then switched to published (unproven on live pages); a lost answer can then be settled",
        _flag,
        False,
    )
    tumblr_url: str = _setting("where Tumblr's API is", _address, "https://api.tumblr.com")
    tumblr_app_id: str = _setting("the consumer key of the app registered at Tumblr", _text, "")
    tumblr_app_secret: str = _setting("the consumer secret of that app", _text, "", secret=True)
    tumblr_direct: bool = _setting(
        "publish on Tumblr in one call instead of by a draft: two calls fewer, but a lost answer is harder to settle",
        _flag,
        False,
    )
    allow_private_addresses: bool = _setting(
        "let users connect servers on private addresses (home networks, tests)", _flag, False
    )
    link_cards: bool = _setting("fetch the page behind a link to show it as a card", _flag, True)

    worker_slots: int = _setting(
        "how many targets one worker process has at the platforms at once; as many again may be claimed or written meanwhile",
        _count,
        64,
    )
    lease: timedelta = _setting(
        "how long a worker may go without progress before another takes over", _length, _S(seconds=90)
    )
    call_deadline: timedelta = _setting("deadline of one outgoing call", _length, _S(seconds=30))
    commit_deadline: timedelta = _setting("deadline of the one irreversible call", _length, _S(seconds=60))
    look_ahead: timedelta = _setting("how far ahead the relay looks for what becomes due", _length, _S(seconds=2))
    poll: timedelta = _setting("how often due targets are looked for when no bell rings", _length, _S(seconds=1))
    sweep_every: timedelta = _setting(
        "how often the sweep looks for lost leases, and for posts shown as unfinished though all their targets have ended",
        _length,
        _S(seconds=5),
    )
    grace: timedelta = _setting("how long a stopping worker finishes what it has begun", _length, _S(seconds=20))
    retry_steps: tuple[timedelta, ...] = _setting(
        "the first waits when a platform is unavailable", _lengths, (_S(seconds=5), _S(seconds=30), _S(minutes=2))
    )
    patience: timedelta = _setting(
        "how long something unavailable is tried, counted from its first try; 0 ends after these steps",
        _length,
        _S(hours=6),
    )
    look_steps: tuple[timedelta, ...] = _setting(
        "the first looks at an unconfirmed target; then hourly",
        _lengths,
        (_S(seconds=10), _S(seconds=30), _S(minutes=2), _S(minutes=10)),
    )
    looks_last: timedelta = _setting(
        "how long an unconfirmed target is looked at hourly before a person is asked", _length, _S(hours=24)
    )
    api_url: str = _setting("where the command line finds the Hayon it speaks to", _address, "http://127.0.0.1:8080")
    api_key: str = _setting("the API key the command line shows", _text, "", secret=True)

    settles_within: timedelta | None = _setting(
        "replaces every platform's own settling time (tests only)", _length, None
    )

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Reads the environment. Raises Misconfigured naming the variable, what it held and what it takes."""
        environment = os.environ if environment is None else environment
        found: dict[str, Any] = {}
        for one in fields(cls):
            value = _given(environment, PREFIX + one.name.upper())
            if value is None or (not value.strip() and one.name != "patience"):
                continue
            try:
                found[one.name] = one.metadata["read"](value)
            except ValueError as error:
                shown = "its value" if one.metadata["secret"] else repr(value)
                raise Misconfigured(f"{PREFIX}{one.name.upper()} does not work with {shown}: {error}.") from error
        _refuse_unknown(environment, cls)
        settings = cls(**found)
        if settings.commit_deadline >= settings.lease:
            raise Misconfigured(
                "HAYON_COMMIT_DEADLINE must be shorter than HAYON_LEASE: a call that may outlast its lease cannot be trusted."
            )
        if settings.broker_url != "embedded://" and not all(settings.retry_steps):
            raise Misconfigured(
                "HAYON_RETRY_STEPS takes no step of no length with RabbitMQ: each is a queue that waits."
            )
        if settings.schedule_via != "database" and settings.broker_url == "embedded://":
            raise Misconfigured(
                f"HAYON_SCHEDULE_VIA={settings.schedule_via} needs RabbitMQ: set HAYON_BROKER_URL to amqp://…, or leave it at database."
            )
        return settings


def _given(environment: Mapping[str, str], name: str) -> str | None:
    by_file = environment.get(f"{name}_FILE")
    if by_file:
        try:
            return Path(by_file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise Misconfigured(f"{name}_FILE names {by_file}, which cannot be read: {error.strerror}.") from error
    return environment.get(name)


def _refuse_unknown(environment: Mapping[str, str], cls: type[Settings]) -> None:
    known = {PREFIX + one.name.upper() for one in fields(cls)}
    known |= {f"{name}_FILE" for name in known}
    for name in environment:
        if name.startswith(PREFIX) and not name.startswith(f"{PREFIX}TEST_") and name not in known:
            close = difflib.get_close_matches(name, known, 1, 0)[0]
            raise Misconfigured(f"{name} is no setting of Hayon. Did you mean {close}?")
