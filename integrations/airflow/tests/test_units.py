"""What is decided without a cluster."""

from __future__ import annotations

import json
import logging
from importlib.metadata import entry_points
from pathlib import Path

import httpx
import pytest

from quern_provider import logs, runs
from quern_provider.client import QuernError, Request
from quern_provider.get_provider_info import get_provider_info
from quern_provider.operators.quern import dates, lineage_name
from quern_provider.triggers.quern import fits


def test_provider_info_is_as_airflow_wants_it():
    import airflow
    import jsonschema

    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)
    found = [e for e in entry_points(group="apache_airflow_provider") if e.value.startswith("quern_provider.")]
    assert found and found[0].load()() == get_provider_info()


def test_run_ids_are_of_a_task_instance():
    base = runs.run_id("dag", "task", -1, "scheduled__2001-01-10T00:00:00+00:00")
    assert base == runs.run_id("dag", "task", -1, "scheduled__2001-01-10T00:00:00+00:00")
    others = {
        runs.run_id("dag", "task", 0, "scheduled__2001-01-10T00:00:00+00:00"),
        runs.run_id("dag", "task2", -1, "scheduled__2001-01-10T00:00:00+00:00"),
        runs.run_id("dag.task", "", -1, "scheduled__2001-01-10T00:00:00+00:00"),
        runs.run_id("dag", "task", -1, "scheduled__2001-01-10T00:00:00+00:00", 2),
        runs.run_id("dag", "task", -1, "manual"),
    }
    assert base not in others and len(others) == 5
    for run in [base, *others, runs.run_id("ä" * 300, "task/1", 10**6, "x" * 300, runs.MOST_RUNS)]:
        assert len(run) <= 128 and run.isascii() and all(c.isalnum() or c in "._-" for c in run)


def test_params_are_text():
    body = runs.request("r", text="x", file="/jobs/a.yaml", params={"b": True, "n": 3, "f": 0.5, "s": "x"}, base_dir="/jobs")
    assert body["job"]["params"] == {"b": "true", "n": "3", "f": "0.5", "s": "x"}
    assert body["job"]["file"] == "a.yaml" and body["attach"]


def test_progress_says_what_is_new():
    progress = runs.Progress()
    stage = {"id": 0, "label": "scan", "tasks": 4, "running": 0, "done": 0, "counts": {"rows_read": 0, "rows_in": 0, "rows_out": 0}}
    status = {"run_id": "r", "state": "queued", "reason": "no worker has joined", "stages": [stage]}
    assert progress.lines(status) == ["run r: queued (no worker has joined)"]
    assert progress.lines(status) == []
    status = {"run_id": "r", "state": "running", "stages": [{**stage, "running": 1, "done": 3, "failures": 1, "counts": {"rows_read": 3000, "rows_out": 7}}]}
    assert progress.lines(status) == ["run r: running", "stage 0 (scan): 3/4 tasks, 1 running, 1 failed attempts, 3,000 rows in, 7 out"]


def test_progress_goes_on_where_another_was_lost():
    progress = runs.Progress({"state": "run r: running"})
    assert progress.lines({"run_id": "r", "state": "running", "stages": []}) == []
    assert progress.lines({"run_id": "r", "state": "succeeded", "stages": []}) == ["run r: succeeded"]


def page(*lines, cursor="c", more=False):
    return {"cursor": cursor, "more": more, "lines": [{"time": "2026-11-29T12:44:56Z", **line} for line in lines]}


SAYS = {"level": "INFO", "stage": 0, "task": 3, "attempt": 1, "message": "plugin says", "text": "row\x1b[2J 7\nand 8", "attributes": {"pid": "8"}, "worker": "w"}


def test_logs_are_what_progress_does_not_say():
    reader = logs.Reader()
    lines = reader.take("r", page({"level": "INFO", "message": "run submitted"}, SAYS, {"level": "WARN", "message": "worker lost", "worker": "w"}))
    assert lines == [(logging.INFO, "0/3.1 plugin says: row\ufffd[2J 7\n    and 8  pid=8  worker=w"), (logging.WARNING, "worker lost  worker=w")]
    assert (reader.cursor, reader.said) == ("c", 2)


def test_logs_have_a_bound():
    reader = logs.Reader(said=logs.MOST_LINES - 3)
    assert len(reader.take("r", page(SAYS, SAYS))) == 2
    lines = reader.take("r", page(SAYS, SAYS))
    assert len(lines) == 2 and "quern logs r" in lines[-1][1]
    assert reader.take("r", page(SAYS)) == []
    assert len(logs.text({**SAYS, "text": "x" * 10**6})) < 2100


def test_last_words_are_of_attempts_that_failed():
    words = logs.LastWords()
    words.take(page(*[{**SAYS, "task": task, "text": str(n)} for n in range(50) for task in range(6)]))
    words.take(page(*[{"level": "WARN", "stage": 0, "task": task, "attempt": 1, "message": "task failed", "text": "why"} for task in range(5)]))
    level, first = list(words.lines("r"))[0]
    assert level == logging.ERROR and "3 of 5 attempts" in first
    said = [line for _, line in words.lines("r")][1:]
    assert len(said) == 3 * logs.MOST_LAST_LINES
    assert said[0].startswith("0/2.1 plugin says: 31") and said[-1] == "0/4.1 task failed: why"
    assert list(logs.LastWords().lines("r")) == []


@pytest.mark.parametrize(
    ("status", "hopeless", "words"),
    [
        ({"run_id": "r", "state": "failed", "failure": {"kind": "user", "message": "no column x"}}, True, "no column x"),
        ({"run_id": "r", "state": "failed", "failure": {"kind": "storage", "message": "503"}}, False, "(storage): 503"),
        ({"run_id": "r", "state": "cancelled"}, False, "run r cancelled"),
        (
            {"run_id": "r", "state": "blocked", "checks": [{"name": "rows", "outcome": "failed", "message": "3 rows"}, {"name": "ok", "outcome": "passed"}]},
            True,
            "rows: 3 rows",
        ),
    ],
)
def test_trouble_says_what_to_do(status, hopeless, words):
    assert words in runs.trouble(status)
    assert "ok" not in runs.trouble(status).split()
    assert runs.hopeless(status) is hopeless


def answer(status: int, body: object, headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.Response(status, json=body, headers=headers, request=httpx.Request("GET", "http://a:1/x"))


def test_a_request_finds_the_leader():
    request = Request(["http://a:1", "http://b:1"], patience=10)
    assert request.answered(answer(421, {"code": "not_leader", "message": "", "leader": "c:1"})) is not None
    assert request.endpoint == "http://c:1"
    request.failed(httpx.ConnectError("refused"))
    assert request.endpoint == "http://a:1"
    assert request.answered(answer(503, {"code": "unavailable", "message": "no leader"})) is not None
    assert request.endpoint == "http://b:1"
    assert request.answered(answer(429, {"code": "busy", "message": "full"}, {"Retry-After": "3"})) == 3
    assert request.endpoint == "http://b:1"
    assert request.answered(answer(200, {})) is None
    with pytest.raises(QuernError, match="no run") as error:
        request.answered(answer(404, {"code": "not_found", "message": "no run"}))
    assert error.value.code == "not_found"
    assert request.answered(httpx.Response(502, text="<html>", request=httpx.Request("GET", "http://a:1/x"))) is not None


def test_a_request_has_patience_and_no_more():
    request = Request(["http://a:1"], patience=0)
    with pytest.raises(QuernError, match="refused"):
        for _ in range(9):
            request.failed(httpx.ConnectError("refused"))


def test_dates_have_both_ends():
    assert dates("2001-02-27", "2001-03-01") == ["2001-02-27", "2001-02-28", "2001-03-01"]
    for first, last in [("2001-02-02", "2001-02-01"), ("x", "2001-02-01")]:
        with pytest.raises(Exception, match="first="):
            dates(first, last)


def test_versions_fit():
    version = {"version": "r2", "manifest": {"params": [{"name": "ds", "type": "date", "value": "2001-01-10"}, {"name": "n", "type": "int", "value": 3}]}}
    assert fits(version, {}, None)
    assert fits(version, {"ds": "2001-01-10", "n": "3"}, "r1")
    assert not fits(version, {"ds": "2001-01-11"}, None)
    assert not fits(version, {}, "r2")
    assert not fits(None, {}, None)


def test_lineage_names():
    assert lineage_name("/srv/out/x") == ("file", "/srv/out/x")
    assert lineage_name("file:///srv/out/x") == ("file", "/srv/out/x")
    assert lineage_name("s3://lake/train/x") == ("s3://lake", "train/x")
