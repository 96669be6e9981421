"""Triggers: what waits for runs and versions without a worker slot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.sdk.exceptions import AirflowRuntimeError
from airflow.sdk.execution_time.xcom import XCom
from airflow.triggers.base import BaseTrigger, TriggerEvent

from quern_provider.client import Client, QuernError
from quern_provider.hooks.quern import QuernHook
from quern_provider.logs import Reader
from quern_provider.runs import Progress

#: The XCom in which a trigger keeps how far it has told of its run, for the one that takes its place when a triggerer is lost.
TOLD = "quern_told"


class QuernRunTrigger(BaseTrigger):
    """Waits until a run has ended, or its checks have blocked it. The event's payload is the run's status.

    :param quern_conn_id: the connection.
    :param run_id: the run.
    :param poll_interval: seconds between looks at the run.
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
        told = await self._recall()
        progress, reader = Progress(told.get("progress")), Reader(told.get("cursor", ""), told.get("said", 0))
        status: dict[str, Any] = {}
        async for status in client.afollow(self.run_id, self.poll_interval):
            for line in progress.lines(status):
                self.log.info(line)
            await self._read(client, reader)
            told = await self._remember(told, {"progress": dict(progress.said), "cursor": reader.cursor, "said": reader.said})
        yield TriggerEvent(status)

    async def _read(self, client: Client, reader: Reader) -> None:
        try:
            async for page in client.alog_pages(self.run_id, reader.cursor):
                for level, line in reader.take(self.run_id, page):
                    self.log.log(level, line)
        except QuernError as error:  # the run is none the worse for it
            self.log.warning("the logs of run %s could not be read: %s", self.run_id, error)

    async def _recall(self) -> dict[str, Any]:
        """Return how far this trigger had come where it ran before."""
        if self.task_instance is None:  # ``dag.test()``: there is no other place
            return {}
        try:
            return await XCom.aget_value(ti_key=self.task_instance, key=TOLD) or {}
        except AirflowRuntimeError as error:  # lines may be said twice, and that is all
            self.log.debug("how far the log has come could not be read: %s", error)
            return {}

    async def _remember(self, before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
        ti = self.task_instance
        if ti is not None and now != before:
            try:
                await XCom.aset(TOLD, now, dag_id=ti.dag_id, task_id=ti.task_id, run_id=ti.run_id, map_index=ti.map_index)
            except AirflowRuntimeError as error:
                self.log.debug("how far the log has come could not be noted: %s", error)
        return now

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
