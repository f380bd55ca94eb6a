"""`python -m bench.peers.run on_celery produce`: one part of a peer, from its module as others import it. Workers may have a program of their own."""

import asyncio
import importlib
import inspect
import sys


def main(module: str, part: str) -> None:
    """Runs a function of a module beside this one; a coroutine under uvloop, unless it is to be plain."""
    found = getattr(importlib.import_module(f"bench.peers.{module}"), part)
    if not inspect.iscoroutinefunction(found):
        found()
    elif module == "one_at_a_time":
        asyncio.run(found())
    else:
        import uvloop

        uvloop.run(found())


if __name__ == "__main__":
    main(*sys.argv[1:])
