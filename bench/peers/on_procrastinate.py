"""The job on Procrastinate, its worker and its producer: `python -m bench.peers.run on_procrastinate work`, and `… produce`.

Sources: Procrastinate's documentation of 3.10, by page.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import procrastinate
from procrastinate.jobs import Job as Deferred

from bench.contest import Job
from bench.peers.handing import in_parts, seconds_until, serve_async
from bench.peers.job import AsyncJob, given, open_job

TOGETHER = 1000
"""Jobs in one statement of the producer."""
QUEUE = "jobs"

app = procrastinate.App(
    # "Limit the number of opened connections", howto/production/connections
    connector=procrastinate.PsycopgConnector(conninfo=given().database_url, min_size=8, max_size=8)
)
_jobs: list[AsyncJob] = []


@app.task(name="publish", queue=QUEUE)
async def publish(name: str, account: int) -> None:
    await _jobs[0].do(name, account)


if given().stores:
    # howto/production/retry_stalled_jobs, as it stands there
    @app.periodic(cron="*/10 * * * *")
    @app.task(queueing_lock="retry_stalled_jobs", pass_context=True)
    async def retry_stalled_jobs(context: procrastinate.JobContext, timestamp: int) -> None:  # noqa: ARG001 - it hands both over
        for job in await app.job_manager.get_stalled_jobs():
            await app.job_manager.retry_job(job)


async def work() -> None:
    """The worker (howto/basics/worker, "use the code way")."""
    async with app.open_async(), open_job() as job:
        _jobs.append(job)
        given().ready()
        await app.run_worker_async(
            # howto/production/concurrency
            concurrency=given().in_flight,
            # jobs that become due are found by looking, every 5 seconds by default (reference, App.run_worker_async)
            fetch_job_polling_interval=0.1,
        )


async def hand_in(jobs: Sequence[Job]) -> None:
    """Many at once ("Batch defer multiple jobs", howto/basics/batch_defer), by the call beneath, which takes a time for each."""
    for part in in_parts(jobs, TOGETHER):
        await app.job_manager.batch_defer_jobs_async([_deferred(one) for one in part])


def _deferred(job: Job) -> Deferred:
    due = datetime.fromtimestamp(job.due_at, UTC) if seconds_until(job) > 0 else None
    return Deferred(
        id=None, queue=QUEUE, lock=None, queueing_lock=None, task_name="publish", scheduled_at=due,
        task_kwargs={"name": job.name, "account": job.account},
    )  # fmt: skip


async def produce() -> None:
    """The producer. It makes Procrastinate's tables first."""
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await serve_async(hand_in)
