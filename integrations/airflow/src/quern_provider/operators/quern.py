"""Operators that run Quern jobs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, BaseOperatorLink, conf
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from quern_provider import logs, runs
from quern_provider.client import RESTING, Client, QuernError, run_path
from quern_provider.hooks.quern import QuernHook
from quern_provider.triggers.quern import QuernRunTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import TaskInstanceKey


#: Of how many dates of a backfill that failed the last words are in the task's log.
MOST_LAST_WORDS = 3


class QuernRunLink(BaseOperatorLink):
    """The run's status in the coordinators' API."""

    name = "Quern run"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the link; Airflow asks at the end of the task, and keeps the answer."""
        return getattr(operator, "run_url", "")


class QuernBaseOperator(BaseOperator):
    """What operators that submit runs have in common: see :class:`QuernRunOperator` for the parameters."""

    template_fields: Sequence[str] = ("job", "base_dir", "job_params", "quern_conn_id")
    template_ext: Sequence[str] = ()
    template_fields_renderers = {"job_params": "json"}
    operator_extra_links = (QuernRunLink(),)
    ui_color = "#efe3d0"

    def __init__(
        self,
        *,
        job: str,
        job_params: Mapping[str, Any] | None = None,
        base_dir: str | None = None,
        quern_conn_id: str = QuernHook.default_conn_name,
        priority: int = 0,
        weight: int = 1,
        poll_interval: float = 10,
        cancel_on_kill: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job = job
        self.job_params = job_params or {}
        self.base_dir = base_dir
        self.quern_conn_id = quern_conn_id
        self.priority = priority
        self.weight = weight
        self.poll_interval = poll_interval
        self.cancel_on_kill = cancel_on_kill
        self.run_url = ""
        self._active: set[str] = set()

    @cached_property
    def client(self) -> Client:
        """The coordinators."""
        return QuernHook(self.quern_conn_id).get_conn()

    def _submit(self, context: Context, part: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Submit a run of the job, or find the one that this task instance has submitted before; returns its status."""
        ti = context["ti"]
        text, file = self._job_text()
        for number in range(1, runs.MOST_RUNS + 1):
            run = runs.run_id(ti.dag_id, ti.task_id + part, ti.map_index, ti.run_id, number)
            before = self._find(run)
            if before is not None and runs.superseded(run, before):
                continue
            request = runs.request(
                run,
                text=text,
                file=file,
                params=params,
                priority=self.priority,
                weight=self.weight,
                base_dir=self.base_dir or os.path.dirname(file) or os.getcwd(),
            )
            try:
                status = self.client.submit(request)
            except QuernError as error:
                if error.code in ("invalid", "unauthorized", "forbidden"):  # another try would be told the same
                    raise AirflowFailException(str(error)) from error
                raise
            if status["run_id"] != run:
                self.log.info("run %s does the same: waiting for that", status["run_id"])
            return status
        raise AirflowFailException(f"this task instance has had {runs.MOST_RUNS} runs")

    def _find(self, run: str) -> dict[str, Any] | None:
        try:
            return self.client.status(run)
        except QuernError as error:
            if error.code == "not_found":
                return None
            raise

    def _job_text(self) -> tuple[str, str]:
        """Return the job file's text and path. A job of several lines is the text itself."""
        if "\n" in self.job:
            return self.job, ""
        path = os.path.abspath(self.job)
        try:
            with open(path, encoding="utf-8") as file:
                return file.read(), path
        except OSError as error:
            raise AirflowFailException(f"job file {path}: {error.strerror}") from error

    def _finish(self, context: Context, status: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the run has made, or raise what kept it from it."""
        self.run_url = self.client.endpoints[0] + run_path(status["run_id"])
        if status["state"] != "succeeded":
            message = runs.trouble(status)
            self._last_words(status["run_id"])
            raise (AirflowFailException if runs.hopeless(status) else AirflowException)(message)
        result = runs.outcome(status)
        for name, output in result["outputs"].items():
            self.log.info("output %s: %s rows in %s shards, %s", name, f"{output['rows']:,}", output["shards"], output["version_path"])
        self._announce(context, result)
        return result

    def _follow(self, run: str) -> dict[str, Any]:
        """Wait until a run rests, with its progress and what its tasks say in the task's log; returns its status."""
        progress, reader = runs.Progress(), logs.Reader()
        status: dict[str, Any] = {}
        for status in self.client.follow(run, self.poll_interval):
            for line in progress.lines(status):
                self.log.info(line)
            for page in self._log_pages(run, reader.cursor):
                for level, line in reader.take(run, page):
                    self.log.log(level, line)
        return status

    def _last_words(self, run: str) -> None:
        """Put what the attempts of a run have said that failed at the end of the task's log."""
        words = logs.LastWords()
        for page in self._log_pages(run):
            words.take(page)
        for level, line in words.lines(run):
            self.log.log(level, line)

    def _log_pages(self, run: str, cursor: str = "") -> Iterator[dict[str, Any]]:
        try:
            yield from self.client.log_pages(run, cursor)
        except QuernError as error:  # the run is none the worse for it
            self.log.warning("the logs of run %s could not be read: %s", run, error)

    def _announce(self, context: Context, result: Mapping[str, Any]) -> None:
        """Have the events of outlets say which version was published: an output goes with the asset of its name or path."""
        for asset in self.outlets or []:
            outputs = {
                name: output
                for name, output in result["outputs"].items()
                if getattr(asset, "name", None) == name or str(getattr(asset, "uri", "")).rstrip("/").endswith(output["path"])
            }
            context["outlet_events"][asset].extra = {"run_id": result["run_id"], "outputs": outputs or result["outputs"]}

    def on_kill(self) -> None:
        """Cancel what this task has submitted."""
        if self.cancel_on_kill:
            for run in sorted(self._active):
                self.log.info("cancelling run %s", run)
                self.client.cancel(run)


class QuernRunOperator(QuernBaseOperator):
    """Runs a job, and waits until its datasets are published.

    Each task instance has a run of its own, whose id is made of DAG, task, map index and DAG run: a retry, on whatever machine, attaches
    to the run that goes on. A run that failed is followed by another; one whose job is wrong or whose checks do not hold fails the task without
    retries. Returns, as XCom, ``{"run_id", "state", "submitted", "finished", "outputs": {name: {"path", "version_path", "manifest", "rows",
    "shards"}}}``.

    :param job: (templated) path of the job file, read where the task runs, or the job file's text.
    :param job_params: (templated) values of the job's parameters, such as ``{"ds": "{{ ds }}"}``.
    :param base_dir: (templated) absolute folder, as the coordinators see it, where relative paths of the job start; the job file's if not given.
    :param quern_conn_id: (templated) the connection.
    :param priority: runs of a higher one are served first (-100 to 100).
    :param weight: share among runs of one priority (1 to 1000).
    :param deferrable: wait in the triggerer, without a worker slot.
    :param poll_interval: seconds between looks at the run; its progress and what its tasks say are in the task's log.
    :param cancel_on_kill: cancel the run when the task is killed.
    """

    def __init__(self, *, deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable

    def execute(self, context: Context) -> dict[str, Any]:
        """Submit the run and wait for it."""
        status = self._submit(context, "", self.job_params)
        run = status["run_id"]
        self._active.add(run)
        self.log.info("waiting for run %s", run)
        context["ti"].xcom_push(key="run_id", value=run)
        if self.deferrable and status["state"] not in RESTING:
            self.defer(
                trigger=QuernRunTrigger(self.quern_conn_id, run, self.poll_interval),
                method_name="execute_complete",
                timeout=self.execution_timeout,
            )
        status = self._follow(run)
        self._active.discard(run)
        return self._finish(context, status)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Go on after the trigger: ``event`` is the run's last status."""
        return self._finish(context, event)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return the datasets that the run has published, for OpenLineage."""
        from airflow.providers.common.compat.openlineage.facet import Dataset
        from airflow.providers.openlineage.extractors import OperatorLineage

        result = task_instance.xcom_pull(task_ids=task_instance.task_id, map_indexes=task_instance.map_index) or {}
        return OperatorLineage(outputs=[Dataset(*lineage_name(output["path"])) for output in (result.get("outputs") or {}).values()])


def lineage_name(path: str) -> tuple[str, str]:
    """Return a dataset's namespace and name as OpenLineage has them: ``("s3://lake", "train/clicks")``, ``("file", "/srv/out/clicks")``."""
    scheme, found, rest = path.partition("://")
    if not found or scheme == "file":
        return "file", rest if found else path
    bucket, _, key = rest.partition("/")
    return f"{scheme}://{bucket}", key or "/"


class QuernBackfillOperator(QuernBaseOperator):
    """Runs a job for each date of a range, a few at a time.

    A date whose dataset was made from the same inputs by the same job is not run again while the coordinators remember that run. A date that
    fails does not keep the others from running; the task fails at the end, and names it. Returns, as XCom, a list with a result for each date,
    as that of :class:`QuernRunOperator` with ``"date"``.

    :param first: (templated) the first date, ``2001-01-01``.
    :param last: (templated) the last date, which is run as well.
    :param date_param: the parameter of the job that is the date.
    :param max_active_dates: how many dates run at a time.

    The other parameters are those of :class:`QuernRunOperator`; there is no ``deferrable``.
    """

    template_fields: Sequence[str] = (*QuernBaseOperator.template_fields, "first", "last")

    def __init__(self, *, first: str, last: str, date_param: str = "ds", max_active_dates: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.first = first
        self.last = last
        self.date_param = date_param
        self.max_active_dates = max_active_dates

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Run the dates."""
        waiting = dates(self.first, self.last)
        active: dict[str, dict[str, Any]] = {}
        ended: dict[str, dict[str, Any]] = {}
        while waiting or active:
            while waiting and len(active) < self.max_active_dates:
                day = waiting.pop(0)
                status = self._submit(context, f".{day}", {**self.job_params, self.date_param: day})
                active[day] = status
                self._active.add(status["run_id"])
                self.log.info("%s: run %s", day, status["run_id"])
            share = self.poll_interval / len(active)
            for day, status in list(active.items()):
                status = self.client.status(status["run_id"], wait=0 if status["state"] in RESTING else share)
                if status["state"] in RESTING:
                    del active[day]
                    self._active.discard(status["run_id"])
                    ended[day] = status
                    self.log.info("%s: run %s %s", day, status["run_id"], status["state"])
        wrong = {day: status for day, status in ended.items() if status["state"] != "succeeded"}
        if wrong:
            message = "\n".join(f"{day}: {runs.trouble(status)}" for day, status in sorted(wrong.items()))
            for _, status in sorted(wrong.items())[:MOST_LAST_WORDS]:
                self._last_words(status["run_id"])
            raise (AirflowFailException if all(map(runs.hopeless, wrong.values())) else AirflowException)(message)
        results = [{"date": day, **runs.outcome(status)} for day, status in sorted(ended.items())]
        if results:
            self._announce(context, results[-1])
        return results


def dates(first: str, last: str) -> list[str]:
    """Return the dates from the first to the last, both included.

    :raises AirflowFailException: if they are no dates, or in the wrong order.
    """
    try:
        begin, end = date.fromisoformat(first), date.fromisoformat(last)
    except ValueError as error:
        raise AirflowFailException(f"first={first!r}, last={last!r}: {error}") from error
    if end < begin:
        raise AirflowFailException(f"first={first!r} is after last={last!r}")
    return [(begin + timedelta(days=n)).isoformat() for n in range((end - begin).days + 1)]
