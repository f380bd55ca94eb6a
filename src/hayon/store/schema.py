"""The tables, and the checks the database itself keeps. What each column means stands beside it; no statement is made here."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from hayon.store.database import Id, Moment

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
    return sa.Column("id", Id, primary_key=True)


def _ref(name: str, to: str, *, null: bool = False, index: bool = True) -> sa.Column[object]:
    return sa.Column(name, Id, sa.ForeignKey(f"{to}.id"), nullable=null, index=index)


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
    sa.Column("mail_kinds", Json),  # the kinds of notices that are mailed; None: those that ask for something
    _at("disabled_at"),  # an admin shut them out: nothing they have opens anything until they are let in again
)  # fmt: skip

sessions = sa.Table(
    "sessions", metadata,
    sa.Column("token_hash", sa.LargeBinary, primary_key=True),
    _ref("user_id", "users"), _at("created_at", null=False), _at("expires_at", null=False),
    sa.Column("public_id", Id), sa.Column("agent", sa.Text, nullable=False, default="", server_default=""),  # to tell it by
    _at("last_used_at"),
)  # fmt: skip

resets = sa.Table(  # somebody asked to set a new password by mail
    "resets", metadata,
    sa.Column("token_hash", sa.LargeBinary, primary_key=True),
    _ref("user_id", "users"), _at("created_at", null=False), _at("expires_at", null=False),
)  # fmt: skip

tries = sa.Table(  # what may be tried only so often, counted for all processes; a row that is full again may go
    "tries", metadata,
    sa.Column("name", sa.LargeBinary, primary_key=True),  # a hash: what people type may be anything
    _at("full_at", null=False),  # then all its tries are there again
    sa.Index("ix_tries_full_at", "full_at"),
)  # fmt: skip

api_keys = sa.Table(
    "api_keys", metadata, _id(), _ref("user_id", "users"), _text("name"),
    sa.Column("key_hash", sa.LargeBinary, nullable=False, unique=True),
    _text("hint"),  # its first characters, to recognise it by
    sa.Column("scopes", Json, nullable=False, default=lambda: ["all"], server_default='["all"]'),
    _at("created_at", null=False), _at("last_used_at"), _at("expires_at"),  # None: it lasts until it is deleted
)  # fmt: skip

accounts = sa.Table(
    "accounts", metadata, _id(), _ref("user_id", "users"),
    _text("platform"), _text("host"), _text("remote_id"), _text("handle"), _text("display_name"),
    sa.Column("avatar_url", sa.Text), _flag("is_default"),
    sa.Column("avatar_key", sa.Text),  # where our small copy of the picture is kept
    sa.Column("avatar_source", sa.Text),  # the address that was tried last for it; None: none yet
    _at("avatar_due_at"),  # that address did not give one, and is tried again then; None: not again
    sa.Column("avatar_failures", sa.Integer, nullable=False, default=0, server_default="0"),  # of that address, in a row
    sa.Column("credential", sa.LargeBinary, nullable=False),  # sealed, bound to this id
    _number("credential_version"),
    _at("refreshing_until"),  # one refresher at a time
    _flag("refresh_wanted"),  # the platform called the credential expired before we thought so
    _text("health", default="active"), _flag("needs_reconnection"), _text("health_message"),
    sa.Column("facts", Json, nullable=False, default=dict),
    _at("blocked_until"),  # the platform's own word: no call before
    sa.Column("block_guessed", sa.Boolean, nullable=False, default=False, server_default=sa.false()),  # it named no time: ours
    _at("asked_at"),  # its platform was asked then how much is left; by one at a time
    _at("connected_at", null=False), _at("disconnected_at"),
    _at("renew_at"),  # refreshed then even if nobody uses it
    sa.Column("renew_failures", sa.Integer, nullable=False, default=0, server_default="0"),  # in a row; each waits longer
    sa.UniqueConstraint("user_id", "platform", "host", "remote_id"),
    sa.Index("ix_accounts_renew_at", "renew_at",
             postgresql_where=sa.text("renew_at IS NOT NULL"), sqlite_where=sa.text("renew_at IS NOT NULL")),
)  # fmt: skip

connections = sa.Table(  # somebody was sent to a platform to let us in, and may come back
    "connections", metadata, _id(), _ref("user_id", "users"),
    sa.Column("state_hash", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("session_hash", sa.LargeBinary),  # of the browser that began it; None where a program did
    _text("platform"), _text("redirect_uri"),
    sa.Column("sealed", sa.LargeBinary, nullable=False),  # what was kept; once back: the accounts to choose from
    _at("created_at", null=False), _at("expires_at", null=False), _at("returned_at"),
)  # fmt: skip

apps = sa.Table(  # our app as it was registered at a host that lets anybody register one
    "apps", metadata,
    sa.Column("host", sa.Text, primary_key=True), sa.Column("redirect_uri", sa.Text, primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False), _at("created_at", null=False),
)  # fmt: skip

allowances = sa.Table(  # how much is left, as a platform told it last
    "allowances", metadata,
    sa.Column("scope", sa.Text, primary_key=True),  # an account's id, or "app:<platform>"
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("left", sa.Integer, nullable=False), sa.Column("limit", sa.Integer), sa.Column("seconds", sa.Integer),
    _at("resets_at"), _at("told_at", null=False),
    _at("probe_at"),  # of an app: nearly used up, and somebody tries again then
)  # fmt: skip

hosts = sa.Table(  # a row stands only while a host cannot be reached by anyone
    "hosts", metadata,
    sa.Column("host", sa.Text, primary_key=True),
    _at("unreachable_since", null=False), _at("probe_at", null=False), _number("probes"),
)  # fmt: skip

media = sa.Table(
    "media", metadata, _id(), _ref("user_id", "users", index=False),
    sa.Column("key", sa.Text, nullable=False, unique=True), _text("mime"), sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("width", sa.Integer), sa.Column("height", sa.Integer), sa.Column("duration_seconds", sa.Float),
    sa.Column("video_codec", sa.Text), sa.Column("audio_codec", sa.Text), sa.Column("frame_rate", sa.Float),
    sa.Column("animated", sa.Boolean, nullable=False, default=False, server_default=sa.false()),
    _flag("ready"), _at("created_at", null=False),
    sa.Index("ix_media_user_id_created_at", "user_id", "created_at", "id"),  # the library, page by page
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
    sa.Column("words", sa.Text, nullable=False, default="", server_default=""),  # all it says, case folded, to search in
    _at("created_at", null=False), _at("updated_at", null=False), _at("deleted_at"),
    _at("placed_at"),  # where it stands in a calendar: its time, else when it was handed in; None: a draft without a time
    sa.Index("ix_posts_newest", "user_id", "created_at", "id"),
    sa.Index("ix_posts_state", "user_id", "status", "created_at", "id"),
    sa.Index("ix_posts_user_id_placed_at", "user_id", "placed_at"),
    sa.Index("ix_posts_placed", "user_id", "status", "placed_at", "id"),  # the tabs that go by that time
    sa.Index("ix_posts_needs_you", "user_id", "created_at", "id",
             postgresql_where=sa.text("needs_attention"), sqlite_where=sa.text("needs_attention = 1")),
    sa.Index("ix_posts_at_work", "updated_at",
             postgresql_where=sa.text("status IN ('PENDING', 'PROCESSING')"),
             sqlite_where=sa.text("status IN ('PENDING', 'PROCESSING')")),
)  # fmt: skip

post_media = sa.Table(
    "post_media", metadata,
    sa.Column("post_id", Id, sa.ForeignKey("posts.id"), primary_key=True),
    sa.Column("media_id", Id, sa.ForeignKey("media.id"), primary_key=True, index=True),
    _number("position"),
    sa.Column("key", sa.Text),  # the post's own copy, once the relay has made it
)  # fmt: skip

NO_ADDRESS = "status = 'completed' AND url IS NULL"
TAKEABLE = "status IN ('pending', 'unconfirmed') AND held_at IS NULL"
MAY_BE_TOO_LATE = "status = 'pending' AND too_late_at IS NOT NULL"
UNMIRRORED = "mirrored <> (parked_at IS NOT NULL)"
CAME_TO = "status IN ('completed', 'failed', 'unconfirmed')"
targets = sa.Table(
    "targets", metadata, _id(), _ref("post_id", "posts", index=False), _ref("user_id", "users", index=False),
    _ref("account_id", "accounts", index=False), _text("platform"), _number("position"),
    _text("status"), _at("due_at"),  # the earliest time it may be tried; None on an unconfirmed one: a person is asked
    _number("version"), _number("fence"), sa.Column("claim_id", Id), _at("claimed_at"), _at("lease_until"),
    _number("claims"), _number("lost_leases"),
    _number("tries"), _number("waits"), _number("looks"), _number("attempts"),
    _at("first_try_at"), _at("first_wait_at"), _text("waiting_for"),  # the kind of outcome it has waited for since
    _text("idempotency_key"), sa.Column("checkpoint", Json), _number("checkpoint_version"),
    sa.Column("open_attempt_id", Id),  # the unanswered intent
    sa.Column("last_attempt_id", Id),  # the newest intent, answered or not
    sa.Column("permitted_attempt_id", Id),  # a person said of this one: it is not there
    _at("quiet_until"), _flag("doubted"), _flag("stop_asked"),
    # the bell rung for it, void as soon as the row's due time or version is another; every claim clears announced_until
    _at("announced_until"), _at("rung_due_at"), sa.Column("rung_version", sa.Integer),
    sa.Column("ring", sa.Integer, nullable=False, default=0, server_default="0"),  # the number of the newest bell
    sa.Column("unheard", sa.Integer, nullable=False, default=0, server_default="0"),  # bells since the last claim
    _at("too_late_at"),  # by its author's own rule: pending after this, it is not sent any more
    _at("slot_at"),  # a slot of its account's allowance was reserved for it then; given back unless a call is made
    _at("held_at"),  # pending, and planned before the backup that this database was restored from: until somebody confirms
    _at("restored_at"),  # its open intent may have been answered after that backup, or be one that the backup does not know
    _at("parked_at"),  # failed, and in the parking lot until retried or discarded
    sa.Column("mirrored", sa.Boolean, nullable=False, default=False, server_default=sa.false()),  # the broker shows it there
    sa.Column("remote_id", sa.Text), sa.Column("url", sa.Text), _at("published_at"),
    _text("message"), _text("code"), _at("created_at", null=False), _at("updated_at", null=False),
    sa.Column("waits_for", sa.Text, nullable=False, default="", server_default=""),  # whose rule due_at is; empty: its author's
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
    # with its time: without statistics PostgreSQL may take this one, where another fits better, for all that an account has
    sa.Index("ix_targets_account_id_due_at", "account_id", "due_at"),
    sa.Index("ix_targets_busy", "account_id",
             postgresql_where=sa.text("status = 'processing'"), sqlite_where=sa.text("status = 'processing'")),
    sa.Index("ix_targets_announced", "account_id",
             postgresql_where=sa.text("announced_until IS NOT NULL"), sqlite_where=sa.text("announced_until IS NOT NULL")),
    sa.Index("ix_targets_parked", "user_id", "parked_at",
             postgresql_where=sa.text("parked_at IS NOT NULL"), sqlite_where=sa.text("parked_at IS NOT NULL")),
    sa.Index("ix_targets_unmirrored", "parked_at",
             postgresql_where=sa.text(UNMIRRORED), sqlite_where=sa.text(UNMIRRORED)),
    sa.Index("ix_targets_no_address", "updated_at",  # completed, and nobody knows yet where to look at it
             postgresql_where=sa.text(NO_ADDRESS), sqlite_where=sa.text(NO_ADDRESS)),
    sa.Index("ix_targets_last_day", "updated_at", "status",
             postgresql_where=sa.text(CAME_TO), sqlite_where=sa.text(CAME_TO)),
    sa.Index("ix_targets_too_late", "too_late_at",
             postgresql_where=sa.text(MAY_BE_TOO_LATE), sqlite_where=sa.text(MAY_BE_TOO_LATE)),
    sa.Index("ix_targets_slot", "account_id",
             postgresql_where=sa.text("slot_at IS NOT NULL"), sqlite_where=sa.text("slot_at IS NOT NULL")),
    sa.Index("ix_targets_lease", "lease_until",
             postgresql_where=sa.text("status = 'processing'"), sqlite_where=sa.text("status = 'processing'")),
)  # fmt: skip

attempts = sa.Table(
    "attempts", metadata, _id(), _ref("target_id", "targets"), _ref("post_id", "posts"), _ref("account_id", "accounts", index=False),
    _number("number"), _number("version"), _number("fence"), _at("started_at", null=False),
    _at("due_at"),  # as it stood when it was taken in hand; None on tries that older versions wrote
    _at("intent_at"), sa.Column("handles", Json), sa.Column("fingerprint", sa.Text),
    _at("answered_at"), sa.Column("answered_by", sa.Text),  # receipt, refusal, absence or person
    _at("ended_at"), sa.Column("ended", sa.Text), _text("message"), _text("code"), sa.Column("http_status", sa.Integer),
    sa.Index("ix_attempts_calls", "account_id", "intent_at",  # how many calls an account made of late
             postgresql_where=sa.text("intent_at IS NOT NULL"), sqlite_where=sa.text("intent_at IS NOT NULL")),
    sa.Index("ix_attempts_open", "account_id", "fingerprint",
             postgresql_where=sa.text("intent_at IS NOT NULL AND answered_at IS NULL"),
             sqlite_where=sa.text("intent_at IS NOT NULL AND answered_at IS NULL")),
)  # fmt: skip

receipts = sa.Table(
    "receipts", metadata, _id(), _ref("target_id", "targets"), _ref("account_id", "accounts", index=False),
    sa.Column("attempt_id", Id), _text("remote_id"), sa.Column("url", sa.Text),
    _at("published_at", null=False), _at("kept_at", null=False),
    _flag("adopted"),  # found by looking, or named by a person; not the call's own answer
    sa.UniqueConstraint("account_id", "remote_id"),
)  # fmt: skip

notices = sa.Table(
    "notices", metadata, _id(), _ref("user_id", "users", index=False), _ref("post_id", "posts", null=True),
    sa.Column("target_id", Id), _text("kind"), _text("message"), _at("created_at", null=False), _at("read_at"),
    sa.Column("facts", Json, nullable=False, default=dict, server_default="{}"),  # what programs want to know of it
    sa.Index("ix_notices_user_id_created_at", "user_id", "created_at"),
    sa.Index("ix_notices_unread", "user_id",
             postgresql_where=sa.text("read_at IS NULL"), sqlite_where=sa.text("read_at IS NULL")),
)  # fmt: skip

mails = sa.Table(  # what is to be sent by mail: notices, and what people asked for
    "mails", metadata, _id(), _ref("user_id", "users"), sa.Column("notice_id", Id), _text("kind"),
    sa.Column("sealed", sa.LargeBinary),  # what only the mail may show, such as the way to a new password; emptied when sent
    _at("due_at"), _at("lease_until"), _number("tries"), _at("created_at", null=False), _at("sent_at"), _text("error"),
    sa.Index("ix_mails_due_at", "due_at",
             postgresql_where=sa.text("due_at IS NOT NULL"), sqlite_where=sa.text("due_at IS NOT NULL")),
)  # fmt: skip

webhooks = sa.Table(
    "webhooks", metadata, _id(), _ref("user_id", "users"), _text("url"),
    sa.Column("sealed", sa.LargeBinary, nullable=False),  # the secret it is signed with
    sa.Column("kinds", Json, nullable=False, default=list),  # the kinds of notices it takes; none named: every kind
    _at("created_at", null=False), _at("failing_since"), _at("failed_at"), _at("disabled_at"), _text("message"),
)  # fmt: skip

webhook_events = sa.Table(
    "webhook_events", metadata, _id(),  # the id is the event's, the same at each try
    _ref("webhook_id", "webhooks", index=False), sa.Column("notice_id", Id), _text("kind"),
    sa.Column("body", Json, nullable=False),
    _at("due_at"), _at("lease_until"), _number("tries"), _at("created_at", null=False), _at("delivered_at"),
    sa.Column("http_status", sa.Integer), _text("error"),
    sa.Index("ix_webhook_events_webhook_id_id", "webhook_id", "id"),
    sa.Index("ix_webhook_events_due", "webhook_id", "due_at",  # from webhook to webhook
             postgresql_where=sa.text("due_at IS NOT NULL"), sqlite_where=sa.text("due_at IS NOT NULL")),
)  # fmt: skip

replays = sa.Table(  # what was answered to a create with an Idempotency-Key
    "replays", metadata,
    sa.Column("user_id", Id, sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    _text("fingerprint"), sa.Column("post_id", Id), sa.Column("status", sa.Integer), sa.Column("answer", Json),
    _at("created_at", null=False),
)  # fmt: skip

generation = sa.Table(  # one row; the same number stands beside the media, so that an older database is recognised
    "generation", metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("house", Id, nullable=False),  # chosen when the table was made: tells one Hayon's database from another's
    sa.Column("number", sa.BigInteger, nullable=False), _at("raised_at", null=False),
    _flag("noted"),  # it stood beside the media at least once, so that its absence there tells something
    _at("backup_time"), _at("restored_at"),  # of the last `hayon restored`: what it was told, and when it was done
    sa.CheckConstraint("id = 1", "one_row"),
)  # fmt: skip
