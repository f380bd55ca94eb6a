"""The tables, and the checks the database itself keeps. What each column means stands beside it; no statement is made here."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from hayon.store.database import Moment

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def _id() -> sa.Column[object]:
    return sa.Column("id", sa.Uuid, primary_key=True)


def _ref(name: str, to: str, *, null: bool = False, index: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid, sa.ForeignKey(f"{to}.id"), nullable=null, index=index)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False, default=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, default=0)


def _text(name: str, *, default: str | None = "") -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, default=default)


def _at(name: str, *, null: bool = True) -> sa.Column[object]:
    return sa.Column(name, Moment, nullable=null)


users = sa.Table(
    "users", metadata, _id(),
    sa.Column("email", sa.Text, nullable=False, unique=True),  # in lower case
    _text("password_hash"), _text("name"), _text("timezone", default="UTC"), _flag("is_admin"), _at("created_at", null=False),
)  # fmt: skip

sessions = sa.Table(
    "sessions", metadata,
    sa.Column("token_hash", sa.LargeBinary, primary_key=True),
    _ref("user_id", "users"), _at("created_at", null=False), _at("expires_at", null=False),
)  # fmt: skip

api_keys = sa.Table(
    "api_keys", metadata, _id(), _ref("user_id", "users"), _text("name"),
    sa.Column("key_hash", sa.LargeBinary, nullable=False, unique=True),
    _text("hint"),  # its first characters, to recognise it by
    _at("created_at", null=False), _at("last_used_at"),
)  # fmt: skip

accounts = sa.Table(
    "accounts", metadata, _id(), _ref("user_id", "users"),
    _text("platform"), _text("host"), _text("remote_id"), _text("handle"), _text("display_name"),
    sa.Column("avatar_url", sa.Text), _flag("is_default"),
    sa.Column("credential", sa.LargeBinary, nullable=False),  # sealed, bound to this id
    _number("credential_version"),
    _at("refreshing_until"),  # one refresher at a time
    _flag("refresh_wanted"),  # the platform called the credential expired before we thought so
    _text("health", default="active"), _flag("needs_reconnection"), _text("health_message"),
    sa.Column("facts", Json, nullable=False, default=dict),
    _at("blocked_until"),  # the platform's own word: no call before
    _at("connected_at", null=False), _at("disconnected_at"),
    sa.UniqueConstraint("user_id", "platform", "host", "remote_id"),
)  # fmt: skip

hosts = sa.Table(  # a row stands only while a host cannot be reached by anyone
    "hosts", metadata,
    sa.Column("host", sa.Text, primary_key=True),
    _at("unreachable_since", null=False), _at("probe_at", null=False), _number("probes"),
)  # fmt: skip

media = sa.Table(
    "media", metadata, _id(), _ref("user_id", "users"),
    sa.Column("key", sa.Text, nullable=False, unique=True), _text("mime"), sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("width", sa.Integer), sa.Column("height", sa.Integer), sa.Column("duration_seconds", sa.Float),
    sa.Column("video_codec", sa.Text), sa.Column("audio_codec", sa.Text), sa.Column("frame_rate", sa.Float),
    sa.Column("animated", sa.Boolean, nullable=False, default=False, server_default=sa.false()),
    _flag("ready"), _at("created_at", null=False),
)  # fmt: skip

posts = sa.Table(
    "posts", metadata, _id(), _ref("user_id", "users", index=False),
    _text("status"), _flag("needs_attention"),
    sa.Column("content", Json, nullable=False),  # {text, mediaItems[{mediaId, altText}], options}
    sa.Column("overrides", Json, nullable=False, default=dict),  # by platform or account id
    sa.Column("selected", Json, nullable=False),  # {platforms, accountIds} as asked for
    _at("scheduled_at"), _text("timezone", default="UTC"), sa.Column("max_lateness_seconds", sa.Integer),
    _number("version"), _number("media_count"), _text("correlation_id"),  # media_count: references ever made; never reused
    sa.Column("traceparent", sa.Text, nullable=False, default="", server_default=""),  # of the request that wrote it last
    _at("created_at", null=False), _at("updated_at", null=False), _at("deleted_at"),
    sa.Index("ix_posts_user_id_created_at", "user_id", "created_at"),
    sa.Index("ix_posts_at_work", "updated_at",
             postgresql_where=sa.text("status IN ('PENDING', 'PROCESSING')"),
             sqlite_where=sa.text("status IN ('PENDING', 'PROCESSING')")),
)  # fmt: skip

post_media = sa.Table(
    "post_media", metadata,
    sa.Column("post_id", sa.Uuid, sa.ForeignKey("posts.id"), primary_key=True),
    sa.Column("media_id", sa.Uuid, sa.ForeignKey("media.id"), primary_key=True, index=True),
    _number("position"),
    sa.Column("key", sa.Text),  # the post's own copy, once the relay has made it
)  # fmt: skip

NO_ADDRESS = "status = 'completed' AND url IS NULL"
TAKEABLE = "status IN ('pending', 'unconfirmed') AND held_at IS NULL"
UNMIRRORED = "mirrored <> (parked_at IS NOT NULL)"
targets = sa.Table(
    "targets", metadata, _id(), _ref("post_id", "posts", index=False), _ref("user_id", "users", index=False),
    _ref("account_id", "accounts"), _text("platform"), _number("position"),
    _text("status"), _at("due_at"),  # the earliest time it may be tried; None on an unconfirmed one: a person is asked
    _number("version"), _number("fence"), sa.Column("claim_id", sa.Uuid), _at("claimed_at"), _at("lease_until"),
    _number("claims"), _number("lost_leases"),
    _number("tries"), _number("waits"), _number("looks"), _number("attempts"),
    _at("first_try_at"), _at("first_wait_at"), _text("waiting_for"),  # the kind of outcome it has waited for since
    _text("idempotency_key"), sa.Column("checkpoint", Json), _number("checkpoint_version"),
    sa.Column("open_attempt_id", sa.Uuid),  # the unanswered intent
    sa.Column("last_attempt_id", sa.Uuid),  # the newest intent, answered or not
    sa.Column("permitted_attempt_id", sa.Uuid),  # a person said of this one: it is not there
    _at("quiet_until"), _flag("doubted"), _flag("stop_asked"),
    # the bell rung for it, void as soon as the row's due time or version is another; every claim clears announced_until
    _at("announced_until"), _at("rung_due_at"), sa.Column("rung_version", sa.Integer),
    sa.Column("ring", sa.Integer, nullable=False, default=0, server_default="0"),  # the number of the newest bell
    sa.Column("unheard", sa.Integer, nullable=False, default=0, server_default="0"),  # bells since the last claim
    _at("held_at"),  # pending, and planned before the backup that this database was restored from: until somebody confirms
    _at("restored_at"),  # its open intent may have been answered after that backup, or be one that the backup does not know
    _at("parked_at"),  # failed, and in the parking lot until retried or discarded
    sa.Column("mirrored", sa.Boolean, nullable=False, default=False, server_default=sa.false()),  # the broker shows it there
    sa.Column("remote_id", sa.Text), sa.Column("url", sa.Text), _at("published_at"),
    _text("message"), _text("code"), _at("created_at", null=False), _at("updated_at", null=False),
    sa.UniqueConstraint("post_id", "account_id"),
    sa.CheckConstraint("open_attempt_id IS NULL OR status IN ('processing', 'unconfirmed')", "open_intent"),
    sa.CheckConstraint("status <> 'unconfirmed' OR open_attempt_id IS NOT NULL", "unconfirmed_has_intent"),
    sa.CheckConstraint("status <> 'processing' OR lease_until IS NOT NULL", "processing_has_lease"),
    sa.CheckConstraint("status <> 'pending' OR due_at IS NOT NULL", "pending_is_due"),
    sa.CheckConstraint("status <> 'completed' OR remote_id IS NOT NULL", "completed_has_receipt"),
    sa.Index("ix_targets_due", "platform", "due_at",
             postgresql_where=sa.text(TAKEABLE), sqlite_where=sa.text(TAKEABLE)),
    sa.Index("ix_targets_turn", "platform", "user_id", "account_id", "due_at",  # from author to author
             postgresql_where=sa.text(TAKEABLE), sqlite_where=sa.text(TAKEABLE)),
    sa.Index("ix_targets_busy", "account_id",
             postgresql_where=sa.text("status = 'processing'"), sqlite_where=sa.text("status = 'processing'")),
    sa.Index("ix_targets_announced", "platform",
             postgresql_where=sa.text("announced_until IS NOT NULL"), sqlite_where=sa.text("announced_until IS NOT NULL")),
    sa.Index("ix_targets_parked", "user_id", "parked_at",
             postgresql_where=sa.text("parked_at IS NOT NULL"), sqlite_where=sa.text("parked_at IS NOT NULL")),
    sa.Index("ix_targets_unmirrored", "parked_at",
             postgresql_where=sa.text(UNMIRRORED), sqlite_where=sa.text(UNMIRRORED)),
    sa.Index("ix_targets_no_address", "updated_at",  # completed, and nobody knows yet where to look at it
             postgresql_where=sa.text(NO_ADDRESS), sqlite_where=sa.text(NO_ADDRESS)),
    sa.Index("ix_targets_lease", "lease_until",
             postgresql_where=sa.text("status = 'processing'"), sqlite_where=sa.text("status = 'processing'")),
)  # fmt: skip

attempts = sa.Table(
    "attempts", metadata, _id(), _ref("target_id", "targets"), _ref("post_id", "posts"), _ref("account_id", "accounts", index=False),
    _number("number"), _number("version"), _number("fence"), _at("started_at", null=False),
    _at("intent_at"), sa.Column("handles", Json), sa.Column("fingerprint", sa.Text),
    _at("answered_at"), sa.Column("answered_by", sa.Text),  # receipt, refusal, absence or person
    _at("ended_at"), sa.Column("ended", sa.Text), _text("message"), _text("code"), sa.Column("http_status", sa.Integer),
    sa.Index("ix_attempts_open", "account_id", "fingerprint",
             postgresql_where=sa.text("intent_at IS NOT NULL AND answered_at IS NULL"),
             sqlite_where=sa.text("intent_at IS NOT NULL AND answered_at IS NULL")),
)  # fmt: skip

receipts = sa.Table(
    "receipts", metadata, _id(), _ref("target_id", "targets"), _ref("account_id", "accounts", index=False),
    sa.Column("attempt_id", sa.Uuid), _text("remote_id"), sa.Column("url", sa.Text),
    _at("published_at", null=False), _at("kept_at", null=False),
    _flag("adopted"),  # found by looking, or named by a person; not the call's own answer
    sa.UniqueConstraint("account_id", "remote_id"),
)  # fmt: skip

notices = sa.Table(
    "notices", metadata, _id(), _ref("user_id", "users", index=False), _ref("post_id", "posts", null=True),
    sa.Column("target_id", sa.Uuid), _text("kind"), _text("message"), _at("created_at", null=False), _at("read_at"),
    sa.Index("ix_notices_user_id_created_at", "user_id", "created_at"),
)  # fmt: skip

replays = sa.Table(  # what was answered to a create with an Idempotency-Key
    "replays", metadata,
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    _text("fingerprint"), sa.Column("post_id", sa.Uuid), sa.Column("status", sa.Integer), sa.Column("answer", Json),
    _at("created_at", null=False),
)  # fmt: skip

generation = sa.Table(  # one row; the same number stands beside the media, so that an older database is recognised
    "generation", metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("house", sa.Uuid, nullable=False),  # chosen when the table was made: tells one Hayon's database from another's
    sa.Column("number", sa.BigInteger, nullable=False), _at("raised_at", null=False),
    _flag("noted"),  # it stood beside the media at least once, so that its absence there tells something
    _at("backup_time"), _at("restored_at"),  # of the last `hayon restored`: what it was told, and when it was done
    sa.CheckConstraint("id = 1", "one_row"),
)  # fmt: skip
