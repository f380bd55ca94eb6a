"""Taking posts in: checked against every rule first, then written whole in one transaction, then the bell. Nothing is sent here."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from hayon import telemetry
from hayon.delivery.foreseeing import Where, find_roomy, foresee
from hayon.delivery.handed import Handed, find_chosen, find_files, find_stray, fingerprint_of, handed_again, names_files
from hayon.domain import rules as rule_table
from hayon.domain.lifecycle import PostStatus
from hayon.domain.model import Account, Content, Media, said_on
from hayon.domain.rules import Rules
from hayon.domain.schedule import read_schedule
from hayon.errors import Conflict, Invalid, Problem, Unavailable
from hayon.media import Reach
from hayon.platforms.contract import Platform
from hayon.store import accounts, decisions, posts, restoring
from hayon.store.database import Database, Tx, new_id
from hayon.store.decisions import Told
from hayon.store.together import ALONE, Alone, Asked, together

TEXT_LIMIT = 100_000


@dataclass(frozen=True, slots=True)
class Fit:
    """How the content fits one target: what is said there, of which files, by which rules; its length as the platform counts
    it, the limit, and what does not fit."""

    account: Account
    content: Content
    media: Sequence[Media]
    rules: Rules
    length: int
    limit: int
    unit: str
    problems: Sequence[Problem]
    fetched: Sequence[Media] = ()
    """Files that the platform would fetch by itself."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A post that was taken in: as it was written, and what only is to be known. `view` is None where an earlier request with the
    same key had made it."""

    post_id: UUID
    view: posts.PostView | None = None
    warnings: Sequence[Problem] = ()


@dataclass(slots=True)
class _Wanted:
    """What somebody hands in, as it is to be written. `post_id` is chosen when that is tried first, and stays: what was written
    is known again by it."""

    user_id: UUID
    handed: Handed
    correlation_id: str
    replay: tuple[str, str] | None
    unfetched: str | None
    traceparent: str
    post_id: UUID | None = None

    @property
    def key(self) -> tuple[UUID, str] | None:
        """Whose Idempotency-Key it is, and which; None where it has none."""
        return None if self.replay is None else (self.user_id, self.replay[0])

    def as_fresh(self, read: "_Read") -> posts.Fresh:
        """The post to be written."""
        self.post_id = self.post_id or new_id(read.now)
        return posts.Fresh(self.post_id, self.user_id, read.writing, self.replay)


@dataclass(frozen=True, slots=True)
class _Read:
    now: datetime
    writing: posts.Writing
    fits: Sequence[Fit]
    problems: Sequence[Problem]


class Submission:
    """Everything an author may do with posts. Each method returns once the database has it durably.

    `look_ahead`: what is due later is found in good time by those who look for it, and nobody is woken.
    """

    def __init__(
        self, database: Database, wake: Callable[[], None], platforms: Mapping[str, Platform], reach: Reach, *,
        look_ahead: timedelta = timedelta(seconds=2),
    ) -> None:  # fmt: skip
        self._database = database
        self._wake = wake
        self._look_ahead = look_ahead
        self._platforms = platforms
        self._reach = reach

        @together(self._accept_many)
        def accept(tx: Tx, wanted: _Wanted) -> tuple[Accepted, _Read | None]:
            return self._accept_one(tx, wanted)

        self._accept = accept

    async def dry_run(
        self, user_id: UUID, handed: Handed, *, try_out: bool = True
    ) -> tuple[Sequence[Fit], Sequence[Problem]]:
        """What would be found against this post: per target, and what concerns the request as a whole. Writes nothing.

        Without `try_out` nothing is fetched to see whether platforms could: that takes as long as the network does.
        """
        unfetched = await self._try_out(user_id, handed) if try_out else None
        read = await self._database.read(self._read, user_id, handed, "", unfetched=unfetched)
        return read.fits, read.problems

    async def submit(
        self, user_id: UUID, handed: Handed, *, idempotency_key: str | None = None, correlation_id: str | None = None
    ) -> tuple[UUID, bool]:
        """As `take_in`. The post's id, and whether an earlier request with the same key had made it already."""
        taken = await self.take_in(user_id, handed, idempotency_key=idempotency_key, correlation_id=correlation_id)
        return taken.post_id, taken.view is None

    async def take_in(
        self, user_id: UUID, handed: Handed, *, idempotency_key: str | None = None, correlation_id: str | None = None
    ) -> Accepted:
        """Accepts a post (or keeps a draft).

        Raises Invalid with every problem found; then nothing is written. Raises Conflict where the key was used for
        something else.
        """
        wanted = _Wanted(
            user_id, handed, correlation_id or str(uuid4()),
            None if idempotency_key is None else (idempotency_key, fingerprint_of(handed)),
            await self._try_out(user_id, handed), _traceparent(),
        )  # fmt: skip
        try:
            accepted, read = await self._database.write(self._accept, wanted)
        except posts.KeyUsed:
            # two requests with one key at the same moment: the unique key let one through, the other reads its answer
            accepted, read = await self._database.write(self._accept_one, wanted)
        if read is not None:
            _tell_accepted(accepted.post_id, read.writing)
            at = _planned_at(read)
            if not handed.draft and at - read.now <= self._look_ahead:
                self._wake()
        return accepted

    async def edit(self, user_id: UUID, post_id: UUID, handed: Handed, *, expected_version: int | None = None) -> None:
        """Replaces what a post says, where and when, while nothing of it was sent. A draft handed in goes out."""

        unfetched, asked_by = await self._try_out(user_id, handed), _traceparent()

        def change(tx: Tx) -> tuple[posts.Writing, bool]:
            row = posts.get_post(tx, post_id, user_id).row
            read = self._read(
                tx,
                user_id,
                handed,
                row.correlation_id,
                kept=row.scheduled_at,
                unfetched=unfetched,
                traceparent=asked_by,
            )
            _refuse(read)
            decisions.edit_post(tx, user_id, post_id, read.writing, expected_version=expected_version)
            return read.writing, row.status == PostStatus.DRAFT and not handed.draft

        writing, handed_in = await self._database.write(change)
        telemetry.emit("post.edited", post_id=str(post_id), correlation_id=writing.correlation_id)
        if handed_in:
            _tell_accepted(post_id, writing)
        self._wake()

    async def submit_draft(self, user_id: UUID, post_id: UUID) -> None:
        """Hands a draft in as it stands. Raises Conflict where it was handed in already."""

        draft = await self._database.read(posts.get_post, post_id, user_id)
        unfetched, asked_by = await self._try_out(user_id, handed_again(draft.row)), _traceparent()

        def hand_in(tx: Tx) -> posts.Writing:
            post = posts.get_post(tx, post_id, user_id)
            if post.row.status != PostStatus.DRAFT:
                raise Conflict("This post was handed in already.")
            read = self._read(
                tx, user_id, handed_again(post.row), post.row.correlation_id, unfetched=unfetched, traceparent=asked_by
            )
            _refuse(read)
            # whoever edited the draft since it was read here is not overwritten
            decisions.edit_post(tx, user_id, post_id, read.writing, expected_version=post.row.version)
            return read.writing

        _tell_accepted(post_id, await self._database.write(hand_in))
        self._wake()

    async def cancel(self, user_id: UUID, post_id: UUID, target_ids: Collection[UUID] | None = None) -> list[Told]:
        """Stops what can be stopped and says the truth about the rest."""
        told = await self._database.write(decisions.cancel, user_id, post_id, target_ids)
        telemetry.emit("post.cancelled", post_id=str(post_id))
        return told

    async def retry(self, user_id: UUID, post_id: UUID, target_ids: Collection[UUID] | None = None) -> list[Told]:
        """Tries failed targets again, now."""
        told = await self._database.write(decisions.retry, user_id, post_id, target_ids)
        self._wake()
        return told

    async def confirm(self, user_id: UUID, post_id: UUID) -> list[Told]:
        """What is held since a backup was restored goes out as planned, after all. Raises Conflict where nothing is."""
        told = await self._database.write(restoring.confirm, user_id, post_id)
        self._wake()
        return told

    async def resolve_published(
        self, user_id: UUID, post_id: UUID, target_id: UUID, attempt_id: UUID, url: str
    ) -> None:
        """A person says that an unconfirmed target is there, and where."""

        def resolve(tx: Tx) -> None:
            target = next((one for one in posts.get_post(tx, post_id, user_id).targets if one.id == target_id), None)
            remote_id = None
            if target is not None:
                account = accounts.get_account(tx, target.account_id)
                remote_id = self._platforms[target.platform].remote_id_in(url, account)
            if target is not None and remote_id is None:
                message = f"That is no address of a post on this account: {url}"
                raise Invalid([Problem("url", "not_a_post", message, target.platform)])
            decisions.resolve_published(tx, user_id, post_id, target_id, attempt_id, url, remote_id or "")

        await self._database.write(resolve)

    async def resolve_absent(
        self, user_id: UUID, post_id: UUID, target_id: UUID, attempt_id: UUID, *, looked_at: datetime, again: bool
    ) -> None:
        """A person says that an unconfirmed target is not there; `again` permits one more try after one more look."""
        await self._database.write(
            decisions.resolve_absent, user_id, post_id, target_id, attempt_id, looked_at=looked_at, again=again
        )
        self._wake()

    async def delete(self, user_id: UUID, post_id: UUID) -> list[Told]:
        """Stops and hides a post here; what is published stays where it is."""
        return await self._database.write(decisions.delete_post, user_id, post_id)

    def _accept_many(self, tx: Tx, asked: Sequence[Asked]) -> list[tuple[Accepted, _Read | None] | Alone]:
        """`_accept_one` for many: for those of whom there is nothing to say, and whose key was not used yet."""
        many: list[_Wanted] = [one.args[0] for one in asked]
        keys = {one.key for one in many if one.key is not None}
        if keys or any(names_files(one.handed) for one in many):
            tx.wait_briefly()
        now = tx.now()
        mine = accounts.list_free(tx, {one.user_id for one in many})
        used = posts.find_replays(tx, keys)
        plain: dict[int, _Read] = {}
        for place, one in enumerate(many):
            if one.key is not None:
                if one.key in used:
                    continue
                used.add(one.key)
            read = self._read_against(tx, one, now, mine[one.user_id])
            # who has no account that is free may be in other hands as a person
            if mine[one.user_id] and not _find_refused(read):
                plain[place] = read
        planning = [(many[place].user_id, _where(read.writing), _planned_at(read)) for place, read in plain.items()]
        roomy = find_roomy(tx, self._platforms, planning)
        plain = {place: read for (place, read), fits in zip(plain.items(), roomy, strict=True) if fits}
        fresh = [many[place].as_fresh(read) for place, read in plain.items()]
        answers: list[tuple[Accepted, _Read | None] | Alone] = [ALONE] * len(many)
        views = posts.insert_posts(tx, fresh, now) if fresh else []
        for (place, read), view in zip(plain.items(), views, strict=True):
            answers[place] = Accepted(view.row.id, view), read
        return answers

    def _accept_one(self, tx: Tx, wanted: _Wanted) -> tuple[Accepted, _Read | None]:
        user_id, replay = wanted.user_id, wanted.replay
        if replay is not None:
            known = posts.find_replay(tx, user_id, replay[0])
            if known is not None and known.post_id != wanted.post_id:
                if known.fingerprint != replay[1]:
                    raise Conflict("This Idempotency-Key was used for another request already.")
                return Accepted(known.post_id), None
        read = self._read_against(tx, wanted, tx.now(), accounts.list_accounts(tx, user_id))
        # with others it may have been written already, and only the word of it was lost: never a second time
        view = None if wanted.post_id is None else posts.find_post(tx, wanted.post_id, user_id)
        if view is not None:
            return Accepted(view.row.id, view), read
        _refuse(read)
        writing = read.writing
        warnings = foresee(tx, self._platforms, user_id, _where(writing), _planned_at(read), writing.timezone)
        (view,) = posts.insert_posts(tx, [wanted.as_fresh(read)], read.now)
        return Accepted(view.row.id, view, warnings), read

    def _read_against(self, tx: Tx, wanted: _Wanted, now: datetime, mine: Sequence[Account]) -> _Read:
        return self._read(
            tx, wanted.user_id, wanted.handed, wanted.correlation_id, now=now, mine=mine, unfetched=wanted.unfetched,
            traceparent=wanted.traceparent,
        )  # fmt: skip

    def _read(
        self, tx: Tx, user_id: UUID, handed: Handed, correlation_id: str, *, now: datetime | None = None,
        mine: Sequence[Account] | None = None, kept: datetime | None = None, unfetched: str | None = None,
        traceparent: str = "",
    ) -> _Read:  # fmt: skip
        """Reads what was handed in against accounts, media, clock and rules: everything found, nothing written.

        `now` and `mine`, the person's accounts, are read where they are not given. `kept` is the time the post has already:
        an edit that leaves it alone keeps it, even when it has come meanwhile.
        `unfetched` is what hinders platforms that fetch files by themselves, `traceparent` the request that hands in.
        """
        problems: list[Problem] = []
        now = now or tx.now()
        mine = accounts.list_accounts(tx, user_id) if mine is None else mine
        scheduled_at = read_schedule(handed.scheduled_at, handed.timezone, now)
        if kept is not None and handed.scheduled_at == kept.isoformat():
            scheduled_at = kept
        if isinstance(scheduled_at, Problem):
            problems.append(scheduled_at)
            scheduled_at = None
        chosen = find_chosen(handed, mine, self._platforms, problems)
        if not chosen and not handed.draft and not problems:
            problems.append(Problem("selectedPlatforms", "none_selected", "Choose at least one account to publish on."))
        problems.extend(find_stray(handed, chosen))
        files = find_files(tx, user_id, handed, problems)
        writing = posts.Writing(
            handed.content, handed.overrides, handed.platforms, handed.account_ids,
            () if handed.draft else tuple(chosen.values()), scheduled_at, handed.timezone, handed.max_lateness_seconds,
            correlation_id, handed.draft, traceparent,
        )  # fmt: skip
        fits = [self._fit(handed, account, files, now, unfetched) for account in chosen.values()]
        return _Read(now, writing, fits, problems)

    async def _try_out(self, user_id: UUID, handed: Handed) -> str | None:
        """Whether platforms that fetch files by themselves would get them: what hinders them, as far as we can find out.

        Asked before a post is stored, outside of any transaction: a person who schedules learns it now, and not then.
        """
        if handed.draft or not names_files(handed):
            return None
        read = await self._database.read(self._read, user_id, handed, "")
        for fit in read.fits:
            if fit.fetched and not fit.problems:
                try:
                    await self._reach.try_out(fit.fetched[0].key, fit.fetched[0], read.now)
                except Unavailable as error:
                    return error.message
                return None
        return None

    def _fit(
        self, handed: Handed, account: Account, files: Mapping[UUID, Media], now: datetime, unfetched: str | None
    ) -> Fit:
        content = said_on(handed.content, handed.overrides, account.platform, account.id)
        table = self._platforms[account.platform].rules(account.facts)
        used = [files[use.media_id] for use in content.media if use.media_id in files]
        fetched = used if self._platforms[account.platform].fetches_media else []
        length = table.count(content.text, content.options)
        found = rule_table.check(content, used, table, length)
        hindrance = self._reach.find_hindrance(fetched[0].key, account.host, now) if fetched else None
        if fetched and (hindrance or unfetched):
            message = f"{table.name} could not get the files. {hindrance or unfetched}"
            found.append(Problem("mediaItems", "not_fetchable", message))
        problems = [Problem(one.field, one.rule, one.message, account.platform, str(account.id)) for one in found]
        return Fit(account, content, used, table, length, table.text_limit, table.text_unit, problems, fetched)


def _traceparent() -> str:
    """Of the request at work; asked here, for a transaction may run in a thread that knows of none."""
    return str(telemetry.find_trace() or "")


def _tell_accepted(post_id: UUID, writing: posts.Writing) -> None:
    for account in writing.accounts:
        telemetry.accepted.labels(account.platform).inc()
    # the post's own correlation id: a draft may be handed in by another request than the one that made it
    telemetry.emit("post.accepted", post_id=str(post_id), correlation_id=writing.correlation_id, draft=writing.draft)


def _where(writing: posts.Writing) -> list[Where]:
    return [(one.id, one.platform, one.handle) for one in writing.accounts]


def _planned_at(read: _Read) -> datetime:
    return read.writing.scheduled_at or read.now


def _refuse(read: _Read) -> None:
    problems = _find_refused(read)
    if problems:
        raise Invalid(problems)


def _find_refused(read: _Read) -> list[Problem]:
    """Drafts take anything well-formed; the rules of the platforms apply when a post is handed in."""
    problems = list(read.problems)
    if not read.writing.draft:
        problems.extend(problem for fit in read.fits for problem in fit.problems)
    return problems
