"""Triggers: what waits for runs and versions without a worker slot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from quern_provider.hooks.quern import QuernHook
from quern_provider.runs import Progress


class QuernRunTrigger(BaseTrigger):
    """Waits until a run has ended, or its checks have blocked it. The event's payload is the run's status.

    :param quern_conn_id: the connection.
    :param run_id: the run.
    :param poll_interval: seconds between lines of progress.
    """

    def __init__(self, quern_conn_id: str, run_id: str, poll_interval: float = 10) -> None:
        super().__init__()
        self.quern_conn_id = quern_conn_id
        self.run_id = run_id
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return how to make this trigger again."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {"quern_conn_id": self.quern_conn_id, "run_id": self.run_id, "poll_interval": self.poll_interval},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Follow the run to its end."""
        client = await QuernHook(self.quern_conn_id).aget_conn()
        progress = Progress()
        status: dict[str, Any] = {}
        async for status in client.afollow(self.run_id, self.poll_interval):
            for line in progress.lines(status):
                self.log.info(line)
        yield TriggerEvent(status)

    async def on_kill(self) -> None:
        """Cancel the run: somebody has ended the task while it waited here."""
        client = await QuernHook(self.quern_conn_id).aget_conn()
        status = await client.acancel(self.run_id)
        self.log.info("run %s: %s", self.run_id, status["state"])


class QuernVersionTrigger(BaseTrigger):
    """Waits until the latest version of a dataset was made with given parameters. The event's payload is that version.

    :param quern_conn_id: the connection.
    :param path: the dataset's absolute path or URL.
    :param params: parameters that the version's job must have had, as text; none: any version will do.
    :param after: a version that does not count: it was there before.
    :param poke_interval: seconds between looks.
    """

    def __init__(self, quern_conn_id: str, path: str, params: dict[str, str], after: str | None, poke_interval: float) -> None:
        super().__init__()
        self.quern_conn_id = quern_conn_id
        self.path = path
        self.params = params
        self.after = after
        self.poke_interval = poke_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return how to make this trigger again."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "quern_conn_id": self.quern_conn_id,
                "path": self.path,
                "params": self.params,
                "after": self.after,
                "poke_interval": self.poke_interval,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until the version is there."""
        client = await QuernHook(self.quern_conn_id).aget_conn()
        while True:
            version = await client.adataset(self.path)
            if fits(version, self.params, self.after):
                yield TriggerEvent(version)
                return
            await asyncio.sleep(self.poke_interval)


def fits(version: dict[str, Any] | None, params: dict[str, str], after: str | None) -> bool:
    """Tell whether a version is one that is waited for."""
    if version is None or version["version"] == after:
        return False
    made_with = {p["name"]: str(p["value"]) for p in version["manifest"].get("params") or []}
    return all(made_with.get(name) == value for name, value in params.items())
