"""`python -m hayon.sandbox`: the simulated platforms in a process of their own, until SIGTERM."""

import argparse
import sys
from pathlib import Path

import uvloop

from hayon.sandbox.app import announce, serve
from hayon.sandbox.world import World


def main(arguments: list[str] | None = None) -> int:
    """Serve a world; prints one line of JSON, `{"url", "pid"}`, once connections are accepted."""
    parser = argparse.ArgumentParser(prog="hayon.sandbox", description="Simulated platforms.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--limits", choices=("real", "none"), default="real", help="none: no rate limits")
    parser.add_argument("--path", type=Path, help="a folder that keeps the world over restarts")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS", help="of every platform call")
    given = parser.parse_args(arguments)
    world = World(given.limits, path=given.path)
    for platform in world.latency:
        world.set_latency(platform, given.latency)
    try:
        uvloop.run(serve(world, given.host, given.port, ready=announce))
    except OSError as error:
        sys.stderr.write(f"The sandbox cannot listen on {given.host}:{given.port}: {error.strerror}\n")
        return 1
    finally:
        world.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
