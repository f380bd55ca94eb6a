"""How each peer is started. What its jobs and queues are is in the `on_…` file of its name."""

from collections.abc import Sequence

from bench.contest import Profile, Work
from bench.peers.peer import PROGRAMS, PYTHON, Recipe

_PYTHON = [str(PYTHON), "-m"]


def _producer(module: str) -> Sequence[str]:
    return [*_PYTHON, "bench.peers.run", module, "produce"]


def _celery(pool: str) -> Recipe:
    def workers(work: Work, _: Profile) -> Sequence[Sequence[str]]:
        # one process for each: these pools live in the main process (userguide/concurrency). Nobody listens to other
        # workers' news, and a line for each job would cost more than the job (userguide/workers, reference/cli)
        return [
            [
                *_PYTHON, "celery", "--app", "bench.peers.on_celery", "worker", "--pool", pool, "--concurrency",
                str(work.in_flight), "--hostname", f"{number}@bench", "--loglevel", "WARNING", "--without-gossip",
                "--without-mingle", "--without-heartbeat",
            ]
            for number in range(work.workers)
        ]  # fmt: skip

    return Recipe(["celery"], f"Celery {{}}, {pool}", workers, _producer("on_celery"), 250, 100_000)


def _dramatiq(program: str, title: str) -> Recipe:
    def workers(work: Work, _: Profile) -> Sequence[Sequence[str]]:
        # "Workers" and "Using gevent", advanced
        options = ["--processes", str(work.workers), "--threads", str(work.in_flight)]
        return [[str(PYTHON), str(PROGRAMS / program), "bench.peers.on_dramatiq", *options]]

    # "Environment Variables", reference: what a worker holds of the jobs that are due later, 65,535 at most (others would
    # stand behind those of next year), and how soon it looks at them when nothing else happens (1,000 ms by default)
    waiting = [("dramatiq_delay_queue_prefetch", "65535"), ("dramatiq_worker_timeout", "50")]
    return Recipe(["dramatiq"], title, workers, _producer("on_dramatiq"), 300, 100_000, surroundings=waiting)


def _taskiq_workers(work: Work, profile: Profile) -> Sequence[Sequence[str]]:
    # "CLI", guide. It takes uvloop where that is installed
    options = [
        "--workers", str(work.workers), "--max-async-tasks", str(work.in_flight), "--max-prefetch", str(work.in_flight),
        "--log-level", "WARNING",
    ]  # fmt: skip
    if profile is not Profile.DOCUMENTED:
        options += ["--ack-type", "when_executed"]
    return [[*_PYTHON, "taskiq", "worker", "bench.peers.on_taskiq:broker", *options]]


def _procrastinate_workers(work: Work, _: Profile) -> Sequence[Sequence[str]]:
    return [[*_PYTHON, "bench.peers.run", "on_procrastinate", "work"]] * work.workers


def _naive_workers(work: Work, _: Profile) -> Sequence[Sequence[str]]:
    return [[*_PYTHON, "bench.peers.run", "one_at_a_time", "work"]] * work.workers


RECIPES = (
    _celery("threads"),
    _celery("gevent"),
    _dramatiq("dramatiq", "Dramatiq {}, threads"),
    _dramatiq("dramatiq-gevent", "Dramatiq {}, gevent"),
    Recipe(
        ["taskiq", "taskiq-aio-pika"], "Taskiq {}, aio-pika {}", _taskiq_workers, _producer("on_taskiq"), 500, 0
    ),
    Recipe(
        ["procrastinate"], "Procrastinate {}", _procrastinate_workers,
        _producer("on_procrastinate"), 3000, 1_000_000, broker=False,
    ),
    Recipe(
        ["aio-pika"], "one at a time (aio-pika {})", _naive_workers, _producer("one_at_a_time"), 300, 0,
        most_jobs=400, parts=("drain",),
    ),
)  # fmt: skip
