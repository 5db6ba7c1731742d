"""The paths of the service."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

import ape
from ape.api.guard import Guard, refusal
from ape.api.messages import DetectorInfo, Health, Message, Problem, RowsIn, Scored, Streamed, StreamInfo
from ape.api.metrics import Measured, Metrics
from ape.api.page import page
from ape.api.scoring import read_csv, read_rows, scored
from ape.api.served import NAME, Served
from ape.api.streams import follow, lines_of_csv, lines_of_rows, streams_of
from ape.core.errors import InputError
from ape.watch.store import DamagedStoreError, StoreInUseError, StoreUnavailableError

Answer = TypeVar("Answer", bound=Message)
POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # of the page: it loads nothing
HINTS = {404: "GET /detectors lists the detectors, GET /docs the paths", 415: "send application/json or text/csv"}
READERS = {"application/json": read_rows, "text/csv": read_csv}  # by the type of the body
LINES = {"application/json": lines_of_rows, "text/csv": lines_of_csv}
BODIES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": RowsIn.model_json_schema()},
            "text/csv": {"schema": {"type": "string"}, "example": "time,pressure\n2026-03-01 00:00:00,1.25\n"},
        },
    }
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "description": words}
    for code, words in {
        401: "no token, or a wrong one",
        404: "no such detector",
        409: "another request has the stream",
        413: "the body is too large",
        415: "the body is neither JSON nor CSV",
        422: "the rows cannot be used",
        500: "the stream is damaged",
        503: "too many requests wait, or the stream cannot be written now",
    }.items()
}


READ: dict[str, Any] = {"responses": {code: PROBLEMS[code] for code in (401, 404)}}


@dataclass(frozen=True)
class Service:
    """What all requests share.

    Parameters
    ----------
    detectors : mapping of str to Served
    limiter : CapacityLimiter
        Of the threads that score.
    metrics : Metrics
    """

    detectors: Mapping[str, Served]
    limiter: CapacityLimiter
    metrics: Metrics

    def named(self, name: str) -> Served:
        """Return a detector."""
        if name not in self.detectors:
            raise HTTPException(404, f"no detector '{name[:80]}'")
        return self.detectors[name]

    async def answer(self, work: Callable[[], Answer]) -> tuple[Answer, Response]:
        """Do work that takes long in a thread; return what it returns, and that as a response."""

        def answered() -> tuple[Answer, str]:
            found = work()
            return found, found.model_dump_json()

        with self.metrics.busy.track_inprogress():
            found, text = await to_thread.run_sync(answered, limiter=self.limiter)
        return found, Response(text, media_type="application/json")


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Shared = Annotated[Service, Depends(_service)]
router = APIRouter()


@router.get("/health", summary="Whether the service answers")
async def health(service: Shared) -> Health:
    """Needs no token."""
    return Health(version=ape.__version__, detectors=len(service.detectors))


@router.get("/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse)
async def metrics(service: Shared) -> Response:
    """Requests, seconds, rows and events, of all workers together."""
    return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)


@router.get("/detectors", summary="The detectors that are served")
async def detectors(service: Shared) -> list[DetectorInfo]:
    """Names, channels and thresholds."""
    return [described(served) for served in service.detectors.values()]


@router.get("/detectors/{name}", summary="One detector", **READ)
async def detector(name: str, service: Shared) -> DetectorInfo:
    """Its channels and threshold."""
    return described(service.named(name))


@router.post(
    "/detectors/{name}/score",
    summary="Scores and events of rows, or of a CSV file",
    response_model=Scored,
    responses=PROBLEMS,
    openapi_extra=BODIES,
)
async def score(name: str, request: Request, service: Shared) -> Response:
    """Like ``ape score``: the rows are taken as one series, and nothing is kept."""
    served, read, body = service.named(name), READERS[_type(request)], await request.body()
    found, response = await service.answer(lambda: scored(served, read(served, body)))
    service.metrics.rows.labels(name).inc(found.rows)
    service.metrics.events.labels(name).inc(len(found.events))
    return response


@router.get("/detectors/{name}/streams", summary="The streams of a detector", **READ)
async def streams(name: str, service: Shared) -> list[StreamInfo]:
    """Their rows and events so far."""
    return await to_thread.run_sync(streams_of, service.named(name))


@router.post(
    "/detectors/{name}/streams/{stream}",
    summary="Scores and events of rows that follow earlier ones",
    response_model=Streamed,
    responses=PROBLEMS,
    openapi_extra=BODIES,
)
async def add_to_stream(name: str, stream: str, request: Request, service: Shared) -> Response:
    """Like ``ape watch``: the rows follow those of earlier requests to the stream, and each event is reported once."""
    served, cut, body = service.named(name), LINES[_type(request)], await request.body()
    if not NAME.fullmatch(stream):
        raise HTTPException(404, "no name of a stream: letters, digits, '.', '_' and '-', at most 64")
    found, response = await service.answer(lambda: follow(served, stream, cut(body)))
    service.metrics.rows.labels(name).inc(len(found.final))
    service.metrics.events.labels(name).inc(sum(record["state"] == "open" for record in found.records))
    return response


def _type(request: Request) -> str:
    """Return the type of the body, which is one of those that can be read."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in READERS:
        raise HTTPException(415, f"a body of the type '{given[:80]}'")
    return given


def described(served: Served) -> DetectorInfo:
    """Describe a detector."""
    threshold, required = served.threshold, served.required
    return DetectorInfo(
        name=served.name,
        channels=[] if required is None else list(required.channels),
        step=threshold.step,
        threshold=round(threshold.level, 4),
        alerts=str(threshold.rate),
        shortest=served.detector.window,
        latency=served.latency,
    )


def build_app(
    detectors: Mapping[str, Served], *, token: str | None = None, hosts: Collection[str] = (), threads: int = 2
) -> FastAPI:
    """Return the application.

    Parameters
    ----------
    detectors : mapping of str to Served
    token : str, optional
        That requests must have.
    hosts : collection of str
        Names by which the service may be addressed. Default: any.
    threads : int
        Most requests that are scored at the same time.
    """
    bearer = Depends(HTTPBearer(auto_error=False, description="as the service was started with"))
    app = FastAPI(title="APE", version=ape.__version__, description=__doc__, docs_url=None, redoc_url=None)
    app.state.service = service = Service(detectors, CapacityLimiter(threads), Metrics())
    app.include_router(router, dependencies=[bearer])
    app.add_api_route("/docs", partial(_docs, app), include_in_schema=False)
    app.add_exception_handler(InputError, _bad_input)
    app.add_exception_handler(StoreInUseError, _busy)
    app.add_exception_handler(DamagedStoreError, _unusable_stream)
    app.add_exception_handler(StoreUnavailableError, _unusable_stream)
    app.add_exception_handler(OSError, _no_disk)
    app.add_exception_handler(HTTPException, _bad_request)
    app.add_exception_handler(Exception, _failed)
    app.add_middleware(Guard, token=token, hosts=hosts)
    app.add_middleware(Measured, metrics=service.metrics)
    return app


async def _docs(app: FastAPI) -> HTMLResponse:
    return HTMLResponse(page(app.openapi()), headers={"Content-Security-Policy": POLICY})


async def _bad_input(_request: Request, error: Exception) -> Response:
    assert isinstance(error, InputError)
    return refusal(422, Problem(what=error.what, where=error.where, hint=error.hint))


async def _bad_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    hint = HINTS.get(error.status_code, "see /docs")
    return _refused(request, error.status_code, str(error.detail), hint)


async def _busy(request: Request, _error: Exception) -> Response:
    return _refused(request, 409, "another request has the stream", "send one at a time, in order")


async def _unusable_stream(request: Request, error: Exception) -> Response:
    """Answer a request to a stream whose file is damaged, or cannot be written: the rows are not to blame."""
    assert isinstance(error, InputError)
    status = 503 if isinstance(error, StoreUnavailableError) else 500
    return _refused(request, status, error.what, error.hint)


async def _no_disk(request: Request, error: Exception) -> Response:
    what = f"cannot write: {getattr(error, 'strerror', None) or 'disk'}"
    return _refused(request, 500, what, "free space, or check the permissions")


async def _failed(request: Request, _error: Exception) -> Response:
    """Answer what nobody expected; the log has the traceback."""
    return _refused(request, 500, "the service failed", "see its log")


def _refused(request: Request, status: int, what: str, hint: str) -> Response:
    """Refuse a request, naming its path."""
    return refusal(status, Problem(what=what, where=f"{request.method} {request.url.path[:200]}", hint=hint))
