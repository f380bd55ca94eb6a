"""The endpoint that takes posts in, writing nothing: the same frame, model and key, answered at once. Run as `python -m bench.silent`.

It is what HTTP, JSON and the look at the key cost in this stack; no post is taken in here.
"""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import uvicorn
import uvloop
from fastapi import APIRouter, Request, Response

from hayon import telemetry
from hayon.settings import Settings
from hayon.web.app import _config, _listen, build
from hayon.web.auth import MayPost
from hayon.web.posts_schema import PostIn, as_handed
from hayon.wiring import open_hayon

PATH = "/api/silent/posts"
router = APIRouter()


@router.post(PATH, status_code=201, response_model=None)
async def answer(given: PostIn, me: MayPost, request: Request) -> Response:
    """Reads what `POST /api/posts` reads."""
    as_handed(given, me.person.timezone)
    made = {"postId": None, "correlationId": request.state.correlation_id}
    return Response(json.dumps(made), 201, media_type="application/json")


async def _serve() -> None:
    settings = Settings.read()
    telemetry.set_up(settings.log)
    async with open_hayon(settings) as hayon:
        app = build(hayon)
        app.include_router(router)
        app.router.routes.insert(0, app.router.routes.pop())  # it is found at once
        listener = _listen("127.0.0.1", 0)
        print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}", "pid": os.getpid()}), flush=True)
        await uvicorn.Server(_config(app)).serve(sockets=[listener])


if __name__ == "__main__":
    uvloop.run(_serve())
