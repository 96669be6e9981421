"""The coordinators' HTTP API, as docs/api.md has it: requests that find the leader and outlast its loss.

A client is told of the coordinators by address. It asks one after the other, follows the one that says who leads, and repeats what got no
answer: every request here may be repeated.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

#: States of a run that never change again.
TERMINAL = frozenset({"succeeded", "failed", "cancelled"})

#: Above every version that a run can have: waiting for it is waiting for the end.
NEVER = 2**64 - 1

#: The states in which a run no longer changes by itself.
RESTING = TERMINAL | {"blocked"}


class QuernError(Exception):
    """An answer that is no success. ``code`` is one of docs/api.md, or ``unreachable``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Request:
    """A request, and how far its repetitions have come. It decides and does nothing."""

    endpoints: list[str]
    patience: float
    deadline: float = 0
    at: int = 0
    tries: int = 0
    last: str = "no coordinator was asked"

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.patience

    @property
    def endpoint(self) -> str:
        """Whom to ask now."""
        return self.endpoints[self.at % len(self.endpoints)]

    def answered(self, response: httpx.Response) -> float | None:
        """Take an answer. Returns None if it is one for the caller, or the seconds until the next try.

        :raises QuernError: if asking again would not help.
        """
        if response.is_success:
            return None
        try:
            body = response.json()
            code, message = str(body["code"]), str(body["message"])
        except (ValueError, KeyError, TypeError):  # a proxy's page
            code = "unavailable" if response.status_code in (502, 503, 504) else "internal"
            body, message = {}, f"{response.request.method} {response.request.url}: status {response.status_code}"
        self.last = message
        if code == "not_leader" and body.get("leader"):
            return self._follow(str(body["leader"]))
        if code in ("not_leader", "unavailable"):
            return self._next()
        if code == "busy":
            return self._pause(float(response.headers.get("Retry-After", 1)), code)
        raise QuernError(code, message)

    def failed(self, error: Exception) -> float:
        """Take note of no answer. Returns the seconds until the next try."""
        self.last = f"{self.endpoint}: {error or type(error).__name__}"
        return self._next()

    def _follow(self, leader: str) -> float:
        scheme = self.endpoint.split("://", 1)[0]
        url = f"{scheme}://{leader}"
        if url not in self.endpoints:
            self.endpoints.append(url)
        self.at = self.endpoints.index(url)
        self.tries += 1
        return self._pause(0 if self.tries % 3 else 0.2, "unavailable")

    def _next(self) -> float:
        self.at += 1
        self.tries += 1
        rounds = self.tries // len(self.endpoints)
        return self._pause(min(0.1 * 2**rounds, 2) if self.tries % len(self.endpoints) == 0 else 0.05, "unreachable")

    def _pause(self, seconds: float, code: str) -> float:
        if time.monotonic() + seconds > self.deadline:
            raise QuernError(code, f"no answer within {self.patience:.0f} s; last: {self.last}")
        return seconds


@dataclass
class Client:
    """Talks to the coordinators at ``endpoints`` (URLs). ``patience`` is for how many seconds a request is repeated."""

    endpoints: Sequence[str]
    token: str | None = None
    verify: ssl.SSLContext | bool = True
    patience: float = 60
    _known: list[str] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self._known = list(self.endpoints)

    def _begin(self) -> Request:
        return Request(self._known, self.patience)

    def _options(self, wait: float) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return {"headers": headers, "verify": self.verify, "timeout": httpx.Timeout(wait + 15, connect=5)}

    def call(self, method: str, path: str, *, body: Any = None, params: dict[str, str] | None = None, wait: float = 0) -> Any:
        """Send a request until it is answered; returns the answer's JSON.

        :raises QuernError: for an answer that is no success, or none within the patience.
        """
        request = self._begin()
        with httpx.Client(**self._options(wait)) as http:
            while True:
                try:
                    response = http.request(method, request.endpoint + path, json=body, params=params)
                    pause = request.answered(response)
                    if pause is None:
                        self._prefer(request)
                        return response.json()
                except httpx.TransportError as error:
                    pause = request.failed(error)
                time.sleep(pause)

    async def acall(self, method: str, path: str, *, body: Any = None, params: dict[str, str] | None = None, wait: float = 0) -> Any:
        """The same as :meth:`call`, for a trigger's event loop."""
        request = self._begin()
        async with httpx.AsyncClient(**self._options(wait)) as http:
            while True:
                try:
                    response = await http.request(method, request.endpoint + path, json=body, params=params)
                    pause = request.answered(response)
                    if pause is None:
                        self._prefer(request)
                        return response.json()
                except httpx.TransportError as error:
                    pause = request.failed(error)
                await asyncio.sleep(pause)

    def _prefer(self, request: Request) -> None:
        """Ask first, the next time, who has answered now."""
        endpoint = request.endpoint
        self._known.remove(endpoint)
        self._known.insert(0, endpoint)

    # What follows is one line for each route that the provider uses.

    def submit(self, request: dict[str, Any]) -> dict[str, Any]:
        """Submit a run; returns its status. Its ``run_id`` may be that of another run which does the same."""
        return self.call("POST", "/v1/runs", body=request)  # type: ignore[no-any-return]

    def status(self, run: str, wait: float = 0) -> dict[str, Any]:
        """Return the status of a run: at once, or when it has ended or ``wait`` seconds are over."""
        return self.call("GET", run_path(run), params=_waiting(wait), wait=wait)  # type: ignore[no-any-return]

    async def astatus(self, run: str, wait: float = 0) -> dict[str, Any]:
        """The same as :meth:`status`, for a trigger's event loop."""
        return await self.acall("GET", run_path(run), params=_waiting(wait), wait=wait)  # type: ignore[no-any-return]

    def cancel(self, run: str) -> dict[str, Any]:
        """Cancel a run; returns its status."""
        return self.call("POST", run_path(run) + "/cancel")  # type: ignore[no-any-return]

    async def acancel(self, run: str) -> dict[str, Any]:
        """The same as :meth:`cancel`, for a trigger's event loop."""
        return await self.acall("POST", run_path(run) + "/cancel")  # type: ignore[no-any-return]

    def logs(self, run: str, cursor: str = "") -> dict[str, Any]:
        """Return a page of a run's logs, from a cursor on."""
        return self.call("GET", run_path(run) + "/logs", params=_logs(cursor))  # type: ignore[no-any-return]

    async def alogs(self, run: str, cursor: str = "") -> dict[str, Any]:
        """The same as :meth:`logs`, for a trigger's event loop."""
        return await self.acall("GET", run_path(run) + "/logs", params=_logs(cursor))  # type: ignore[no-any-return]

    def dataset(self, path: str, version: str | None = None) -> dict[str, Any] | None:
        """Return a published version of a dataset with its manifest, the latest if none is named; None if there is none."""
        try:
            return self.call("GET", "/v1/dataset", params=_dataset(path, version))  # type: ignore[no-any-return]
        except QuernError as error:
            if error.code == "not_found":
                return None
            raise

    async def adataset(self, path: str, version: str | None = None) -> dict[str, Any] | None:
        """The same as :meth:`dataset`, for a trigger's event loop."""
        try:
            return await self.acall("GET", "/v1/dataset", params=_dataset(path, version))  # type: ignore[no-any-return]
        except QuernError as error:
            if error.code == "not_found":
                return None
            raise

    def follow(self, run: str, interval: float) -> Iterator[dict[str, Any]]:
        """Yield the status of a run now and every ``interval`` seconds, until it rests; that comes at once."""
        status = self.status(run)
        while status["state"] not in RESTING:
            yield status
            status = self.status(run, wait=min(interval, 60))
        yield status

    async def afollow(self, run: str, interval: float) -> AsyncIterator[dict[str, Any]]:
        """The same as :meth:`follow`, for a trigger's event loop."""
        status = await self.astatus(run)
        while status["state"] not in RESTING:
            yield status
            status = await self.astatus(run, wait=min(interval, 60))
        yield status

    def log_pages(self, run: str, cursor: str = "") -> Iterator[dict[str, Any]]:
        """Yield the pages that a run's logs have now, from a cursor on."""
        more = True
        while more:
            page = self.logs(run, cursor)
            yield page
            cursor, more = page["cursor"], page.get("more", False)

    async def alog_pages(self, run: str, cursor: str = "") -> AsyncIterator[dict[str, Any]]:
        """The same as :meth:`log_pages`, for a trigger's event loop."""
        more = True
        while more:
            page = await self.alogs(run, cursor)
            yield page
            cursor, more = page["cursor"], page.get("more", False)


def run_path(run: str) -> str:
    """Return the path of a run in the API."""
    return f"/v1/runs/{quote(run, safe='')}"


def _waiting(wait: float) -> dict[str, str]:
    return {"wait": f"{wait:.3f}s", "since": str(NEVER)} if wait > 0 else {}


def _logs(cursor: str) -> dict[str, str]:
    return {"level": "info", **({"cursor": cursor} if cursor else {})}


def _dataset(path: str, version: str | None) -> dict[str, str]:
    return {"path": path, **({"version": version} if version else {})}
