"""/livez, /readyz and /metrics over HTTP, answered by the event loop whose health they are about."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from headrace.errors import ConfigError


@asynccontextmanager
async def serve_health(
    host: str, port: int, problem: Callable[[], str | None], metrics: Callable[[str], Awaitable[tuple[str, bytes]]]
) -> AsyncIterator[None]:
    """Answer within the context; not ready while `problem()` names one. Raises ConfigError when it can't listen.

    `metrics` makes a content type and a body for what a scraper accepts.
    """

    async def livez(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_request: web.Request) -> web.Response:
        said = problem()
        return web.Response(text=f"{said or 'ok'}\n", status=503 if said else 200)

    async def scrape(request: web.Request) -> web.Response:
        content_type, body = await metrics(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    app = web.Application()
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", scrape)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, shutdown_timeout=1).start()
    except OSError as exc:
        await runner.cleanup()
        raise ConfigError(f"METRICS_PORT: can't listen on {host}:{port}: {exc.strerror or exc}") from exc
    try:
        yield
    finally:
        await runner.cleanup()
