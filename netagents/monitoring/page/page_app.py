"""Application behind the live page: the page, its files, and the records as JSON, events and CSV; it only reads.

Every answer forbids the browser to run, load or send anything but what comes from here, and a request with another host's name is refused,
so that no page of somebody else reaches the records through a name that it points to this address.
"""

from __future__ import annotations

import functools
import json
import math
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import parse_qs
from weakref import WeakKeyDictionary

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from netagents.errors import NetagentsError
from netagents.monitoring.feed.csv_tables import TABLES, chosen_rows, csv_lines, is_choice
from netagents.monitoring.feed.run_catalog import RunCatalog
from netagents.monitoring.feed.run_feed import Cursor, RunFeed
from netagents.monitoring.page.news_broadcast import NewsBroadcast
from netagents.monitoring.page.page_assets import MEDIA_TYPES, asset, assets, templates, version

LISTING_SECONDS = 1.0
"""For which visitors get the same list of runs."""

MOST_POINTS = 5000
COOKIE = "netagents_token"

SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}

Answer = Callable[[Request], Awaitable[Response]]


def page_app(catalog: RunCatalog, hosts: frozenset[str] | None, token: str | None) -> Guard:
    """The application.

    Args:
        catalog: of what is shown.
        hosts: names under which a browser may ask, without port; None for any, which needs a token.
        token: what a visitor must know; None for no token.
    """
    routes = [
        Route("/", functools.partial(_page, catalog)),
        Route("/static/{name}", _static),
        Route("/api/runs", functools.partial(_listing, catalog)),
        Route("/api/runs/{key}", _of_run(catalog, _facts)),
        Route("/api/runs/{key}/news", _of_run(catalog, _news)),
        Route("/api/runs/{key}/series", _of_run(catalog, _series)),
        Route("/api/runs/{key}/matrix", _of_run(catalog, _matrix)),
        Route("/api/runs/{key}/csv/{table}", _of_run(catalog, _csv)),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _refused})
    app.state.ending = False
    app.state.broadcasts = WeakKeyDictionary[RunFeed, NewsBroadcast]()
    app.state.listing = (-math.inf, b"")
    return Guard(app, hosts, token)


class Guard:
    """Checks host and token, and adds the headers that keep a browser from everything else.

    Args:
        app: what is guarded.
        hosts, token: as :func:`page_app` has them.
    """

    def __init__(self, app: Starlette, hosts: frozenset[str] | None, token: str | None) -> None:
        self._app, self._hosts, self._token = app, hosts, token

    def end(self) -> None:
        """End the streams, so that the server can."""
        self._app.state.ending = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return None
        headers = dict(scope["headers"])
        cookie: str | None = None

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = {**SECURITY_HEADERS, **({"set-cookie": cookie} if cookie is not None else {})}
                headers = [pair for pair in message.get("headers", []) if pair[0].decode() not in added]
                message["headers"] = [*headers, *((name.encode(), value.encode()) for name, value in added.items())]
            await send(message)

        async def refuse(status: int, words: str) -> None:
            await PlainTextResponse(words + "\n", status)(scope, receive, send_with_headers)

        host = headers.get(b"host", b"").decode("latin-1").lower()
        if self._hosts is not None and _without_port(host) not in self._hosts:
            return await refuse(421, "this page is not served under that name")
        if scope["method"] not in ("GET", "HEAD"):
            return await refuse(405, "this page only shows; it takes nothing")
        if self._token is not None:
            token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
            if token and _same(token, self._token):
                cookie = f"{COOKIE}={self._token}; HttpOnly; SameSite=Strict; Path=/"
            elif not _same(_cookie(headers.get(b"cookie", b"")), self._token):
                return await refuse(401, "open the address with its token, as `netagents watch` printed it")
        await self._app(scope, receive, send_with_headers)
        return None


def _same(left: str, right: str) -> bool:
    return secrets.compare_digest(left.encode(), right.encode())


def _without_port(host: str) -> str:
    return host.rsplit(":", 1)[0].strip("[]") if host.rsplit(":", 1)[-1].isdecimal() else host.strip("[]")


def _cookie(header: bytes) -> str:
    for part in header.decode("latin-1").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return ""


async def _refused(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    words = str(error.detail) if isinstance(error, HTTPException) else "an error"
    return PlainTextResponse(f"{words}\n", status)


async def _page(catalog: RunCatalog, request: Request) -> Response:
    listing = await run_in_threadpool(catalog.listing)
    keys = [row["key"] for row in listing["runs"] if row["state"] != "unreadable"]
    label = request.query_params.get("run", "")
    key = label if label in keys else keys[0] if keys else ""
    text = templates().get_template("live.html").render(key=key, version=version())
    return Response(text, media_type="text/html")


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in assets():
        raise HTTPException(404, "there is no such file")
    suffix = f".{name.rpartition('.')[2]}"
    return Response(asset(name), media_type=MEDIA_TYPES[suffix])


async def _listing(catalog: RunCatalog, request: Request) -> Response:
    moment, data = request.app.state.listing
    if time.monotonic() - moment > LISTING_SECONDS:
        data = json.dumps(await run_in_threadpool(catalog.listing), separators=(",", ":"), allow_nan=False).encode()
        request.app.state.listing = (time.monotonic(), data)
    return Response(data, media_type="application/json")


def _of_run(catalog: RunCatalog, answer: Callable[[RunFeed, Request], Awaitable[Response]]) -> Answer:
    async def find(request: Request) -> Response:
        try:
            feed = await run_in_threadpool(catalog.feed, request.path_params["key"])
            return await answer(feed, request)
        except NetagentsError as error:
            return JSONResponse({"error": str(error)[:600]}, 404)

    return find


async def _facts(feed: RunFeed, _: Request) -> Response:
    return JSONResponse(await run_in_threadpool(feed.facts))


async def _series(feed: RunFeed, request: Request) -> Response:
    metric = _metric(feed, request, "team")
    first, last, points = (_whole(request, name, default) for name, default in (("from", 0), ("to", 1 << 30), ("points", 1000)))
    return JSONResponse(await run_in_threadpool(feed.series, metric, first, last, max(2, min(points, MOST_POINTS))))


async def _matrix(feed: RunFeed, request: Request) -> Response:
    iteration = _whole(request, "iteration", -1)
    data = await run_in_threadpool(feed.matrix, None if iteration < 0 else iteration)
    return Response(data, media_type="application/json")


async def _csv(feed: RunFeed, request: Request) -> Response:
    name = request.path_params["table"].removesuffix(".csv")
    if name in TABLES:
        rows = TABLES[name](feed.run.as_of_now())
    elif is_choice(feed.history, name):
        rows = chosen_rows(feed.history, name)
    else:
        raise HTTPException(404, "there is no such table")
    headers = {"content-disposition": f'attachment; filename="{"".join(c if c.isalnum() else "_" for c in name)[:60]}.csv"'}
    return StreamingResponse(csv_lines(rows), media_type="text/csv", headers=headers)


async def _news(feed: RunFeed, request: Request) -> Response:
    cursor = Cursor(metric=_metric(feed, request, "return"), logs=request.query_params.get("logs") == "1")
    state = request.app.state
    broadcast: NewsBroadcast | None = state.broadcasts.get(feed)
    if broadcast is None:
        broadcast = state.broadcasts[feed] = NewsBroadcast(feed, lambda: bool(state.ending))
    return StreamingResponse(_messages(broadcast, cursor, state), media_type="text/event-stream")


async def _messages(broadcast: NewsBroadcast, cursor: Cursor, state: State) -> AsyncIterator[bytes]:
    """What is new, as server-sent events; a visitor asks for its next message when it has taken the one before."""
    ending = False
    while not ending:
        ending = state.ending  # what came last is still told
        data, cursor = await broadcast.next(cursor)
        yield b"data: " + data + b"\n\n" if data else b":\n\n"


def _metric(feed: RunFeed, request: Request, default: str) -> str:
    metric = request.query_params.get("metric", default)
    return metric if metric == "team" or is_choice(feed.history, metric) else default


def _whole(request: Request, name: str, default: int) -> int:
    word = request.query_params.get(name, "")
    return int(word) if word.isdecimal() and len(word) < 12 else default
