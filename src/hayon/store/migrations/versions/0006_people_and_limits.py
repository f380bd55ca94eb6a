"""Sessions are told apart, keys have scopes, accounts are connected by way of the platform, limits are kept, notices leave."""

from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from hayon.store.database import Moment

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _json() -> sa.types.TypeEngine[Any]:
    return sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def _id() -> sa.Column[object]:
    return sa.Column("id", sa.Uuid(), nullable=False)


def _owner(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid(), nullable=False)


def _at(name: str, *, null: bool = True) -> sa.Column[object]:
    return sa.Column(name, Moment(), nullable=null)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _bytes(name: str, *, null: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=null)


def _keys(table: str, *primary: str, of: tuple[str, str] | None = None) -> list[sa.Constraint]:
    made: list[sa.Constraint] = [sa.PrimaryKeyConstraint(*primary, name=op.f(f"pk_{table}"))]
    if of is not None:
        column, to = of
        made.append(sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}")))
    return made


def _partial(name: str, table: str, column: str, where: str) -> None:
    op.create_index(name, table, [column], postgresql_where=sa.text(where), sqlite_where=sa.text(where))


def _tell_sessions_apart() -> None:
    """Sessions that are open already get the name by which their person can end them."""
    sessions = sa.table("sessions", sa.column("token_hash", sa.LargeBinary()), sa.column("public_id", sa.Uuid()))
    connection = op.get_bind()
    for (token_hash,) in connection.execute(sa.select(sessions.c.token_hash)).all():
        named = sa.update(sessions).where(sessions.c.token_hash == token_hash).values(public_id=uuid4())
        connection.execute(named)


def upgrade() -> None:
    op.add_column("users", sa.Column("mail_kinds", _json()))
    op.add_column("users", _at("disabled_at"))
    op.add_column("sessions", sa.Column("public_id", sa.Uuid()))
    op.add_column("sessions", sa.Column("agent", sa.Text(), nullable=False, server_default=""))
    op.add_column("sessions", _at("last_used_at"))
    _tell_sessions_apart()
    op.add_column("api_keys", sa.Column("scopes", _json(), nullable=False, server_default='["all"]'))
    op.add_column("api_keys", _at("expires_at"))
    op.add_column("accounts", _at("renew_at"))
    op.add_column("accounts", _at("asked_at"))
    _partial("ix_accounts_renew_at", "accounts", "renew_at", "renew_at IS NOT NULL")
    op.add_column("accounts", sa.Column("renew_failures", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("targets", _at("slot_at"))
    _partial("ix_targets_slot", "targets", "account_id", "slot_at IS NOT NULL")
    op.create_index(
        "ix_attempts_calls", "attempts", ["account_id", "intent_at"],
        postgresql_where=sa.text("intent_at IS NOT NULL"), sqlite_where=sa.text("intent_at IS NOT NULL"),
    )  # fmt: skip
    _lateness()
    op.add_column("notices", sa.Column("facts", _json(), nullable=False, server_default="{}"))
    _partial("ix_notices_unread", "notices", "user_id", "read_at IS NULL")

    op.create_table(
        "resets", _bytes("token_hash"), _owner("user_id"), _at("created_at", null=False),
        _at("expires_at", null=False), *_keys("resets", "token_hash", of=("user_id", "users")),
    )  # fmt: skip
    op.create_index("ix_resets_user_id", "resets", ["user_id"])
    op.create_table(
        "tries", _bytes("name"), _at("full_at", null=False), *_keys("tries", "name"),
    )  # fmt: skip
    op.create_index("ix_tries_full_at", "tries", ["full_at"])
    op.create_table(
        "connections", _id(), _owner("user_id"), _bytes("state_hash"), _bytes("session_hash", null=True),
        _text("platform"), _text("redirect_uri"), _bytes("sealed"), _at("created_at", null=False),
        _at("expires_at", null=False), _at("returned_at"), *_keys("connections", "id", of=("user_id", "users")),
        sa.UniqueConstraint("state_hash", name=op.f("uq_connections_state_hash")),
    )  # fmt: skip
    op.create_index("ix_connections_user_id", "connections", ["user_id"])
    op.create_table(
        "apps", _text("host"), _text("redirect_uri"), _bytes("sealed"), _at("created_at", null=False),
        *_keys("apps", "host", "redirect_uri"),
    )  # fmt: skip
    op.create_table(
        "allowances", _text("scope"), _text("name"), _number("left"), sa.Column("limit", sa.Integer()),
        sa.Column("seconds", sa.Integer()), _at("resets_at"), _at("told_at", null=False), _at("probe_at"),
        *_keys("allowances", "scope", "name"),
    )  # fmt: skip
    op.create_table(
        "mails", _id(), _owner("user_id"), sa.Column("notice_id", sa.Uuid()), _text("kind"), _bytes("sealed", null=True),
        _at("due_at"), _at("lease_until"), _number("tries"), _at("created_at", null=False), _at("sent_at"),
        _text("error"), *_keys("mails", "id", of=("user_id", "users")),
    )  # fmt: skip
    op.create_index("ix_mails_user_id", "mails", ["user_id"])
    _partial("ix_mails_due_at", "mails", "due_at", "due_at IS NOT NULL")
    op.create_table(
        "webhooks", _id(), _owner("user_id"), _text("url"), _bytes("sealed"),
        sa.Column("kinds", _json(), nullable=False), _at("created_at", null=False), _at("failing_since"), _at("failed_at"),
        _at("disabled_at"), _text("message"), *_keys("webhooks", "id", of=("user_id", "users")),
    )  # fmt: skip
    op.create_index("ix_webhooks_user_id", "webhooks", ["user_id"])
    op.create_table(
        "webhook_events", _id(), _owner("webhook_id"), sa.Column("notice_id", sa.Uuid()), _text("kind"),
        sa.Column("body", _json(), nullable=False), _at("due_at"), _at("lease_until"), _number("tries"),
        _at("created_at", null=False), _at("delivered_at"), sa.Column("http_status", sa.Integer()), _text("error"),
        *_keys("webhook_events", "id", of=("webhook_id", "webhooks")),
    )  # fmt: skip
    op.create_index("ix_webhook_events_webhook_id_id", "webhook_events", ["webhook_id", "id"])
    op.create_index(
        "ix_webhook_events_due", "webhook_events", ["webhook_id", "due_at"],
        postgresql_where=sa.text("due_at IS NOT NULL"), sqlite_where=sa.text("due_at IS NOT NULL"),
    )  # fmt: skip


def _lateness() -> None:
    """How late a target may go out stands on its own row, so that one short statement finds those that are too late."""
    op.add_column("targets", _at("too_late_at"))
    _partial("ix_targets_too_late", "targets", "too_late_at", "status = 'pending' AND too_late_at IS NOT NULL")
    later = (
        "scheduled_at + make_interval(secs => max_lateness_seconds)"
        if op.get_bind().dialect.name == "postgresql"
        # as Moment writes a time, of fixed width
        else "strftime('%Y-%m-%d %H:%M:%f', scheduled_at, '+' || max_lateness_seconds || ' seconds') || '000'"
    )
    op.execute(
        f"UPDATE targets SET too_late_at = (SELECT {later} FROM posts WHERE posts.id = targets.post_id)"  # noqa: S608 - our own words
        " WHERE status IN ('pending', 'processing', 'unconfirmed') AND post_id IN"
        " (SELECT id FROM posts WHERE scheduled_at IS NOT NULL AND max_lateness_seconds IS NOT NULL)"
    )
