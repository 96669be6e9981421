"""What the operators decide: ids, requests, and words for statuses. Nothing here does anything."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from typing import Any

from quern_provider.client import TERMINAL

#: Runs of one task try that may come after another before the operator gives up.
MOST_RUNS = 50


def run_id(dag: str, task: str, map_index: int, dag_run: str, number: int = 1) -> str:
    """Return the id of the ``number``-th Quern run of a task: the same for each try of the same task instance.

    It is readable as far as Quern's ids allow it (128 letters, digits, ``.``, ``_``, ``-``), and ends in a digest of what it stands for.
    """
    identity = "\x00".join([dag, task, str(map_index), dag_run])
    digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{dag}.{task}.{dag_run}" + (f".{map_index}" if map_index >= 0 else ""))
    return f"af-{readable[:100]}-{digest}" + (f"-{number}" if number > 1 else "")


def request(
    run: str, *, text: str, file: str, params: Mapping[str, Any], base_dir: str, priority: int = 0, weight: int = 1
) -> dict[str, Any]:
    """Return the body of a submit: see docs/api.md."""
    return {
        "run_id": run,
        "attach": True,
        "priority": priority,
        "weight": weight,
        "job": {
            "file": os.path.basename(file) or "job.yaml",
            "dir": base_dir,
            "work": base_dir,
            "text": text,
            "params": {name: _text(value) for name, value in params.items()},
        },
    }


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def superseded(asked: str, status: Mapping[str, Any]) -> bool:
    """Tell whether a task's next run is due: the one that it had before is over.

    A run that failed or was cancelled is tried again. One that succeeded is asked for again under another id: where nothing has changed
    since, Quern answers with the very same run, and where inputs have, it computes anew.
    """
    return bool(status["run_id"] == asked and status["state"] in TERMINAL)


class Progress:
    """Says in lines what has changed between statuses of a run.

    :param said: what another has said before, by what it is about.
    """

    def __init__(self, said: Mapping[str, str] | None = None) -> None:
        self.said: dict[str, str] = dict(said or {})

    def lines(self, status: Mapping[str, Any]) -> list[str]:
        """Return the lines that say what is new in a status."""
        new: list[str] = []
        reason = f" ({status['reason']})" if status.get("reason") else ""
        self._say(new, "state", f"run {status['run_id']}: {status['state']}{reason}")
        for stage in status["stages"]:
            if stage["done"] or stage["running"] or stage.get("failures"):
                self._say(new, str(stage["id"]), stage_line(stage))
        return new

    def _say(self, new: list[str], key: str, line: str) -> None:
        if self.said.get(key) != line:
            self.said[key] = line
            new.append(line)


def stage_line(stage: Mapping[str, Any]) -> str:
    """Return a stage's progress in words."""
    counts = stage["counts"]
    parts = [f"{stage['done']}/{stage['tasks']} tasks"]
    if stage["running"]:
        parts.append(f"{stage['running']} running")
    if stage.get("failures"):
        parts.append(f"{stage['failures']} failed attempts")
    parts.append(f"{counts.get('rows_read', 0) + counts.get('rows_in', 0):,} rows in, {counts.get('rows_out', 0):,} out")
    if stage.get("adapted"):
        parts.append(stage["adapted"])
    return f"stage {stage['id']} ({stage['label']}): " + ", ".join(parts)


def outcome(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a task hands on about its run: small, and JSON."""
    return {
        "run_id": status["run_id"],
        "state": status["state"],
        "submitted": status["submitted"],
        "finished": status.get("finished"),
        "outputs": dict(status.get("outputs") or {}),
    }


def trouble(status: Mapping[str, Any]) -> str:
    """Return why a run has not succeeded, with what to do."""
    run, state = status["run_id"], status["state"]
    if state == "blocked":
        checks = "\n".join(f"  {c['name']}: {c.get('message', '')}".rstrip(": ") for c in status.get("checks") or [] if c.get("outcome") != "passed")
        return (
            f"run {run} is blocked: its outputs do not meet their checks, and are not published\n{checks}\n"
            f'mend the inputs and run the task again, or publish it all the same: quern release {run} --because "…", then clear the task'
        )
    failure = status.get("failure") or {}
    return f"run {run} {state}" + (f" ({failure['kind']}): {failure['message']}" if failure else "")


def hopeless(status: Mapping[str, Any]) -> bool:
    """Tell whether another try would end the same way: the mistake is in the job or its data, or a check does not hold."""
    return status["state"] == "blocked" or (status.get("failure") or {}).get("kind") == "user"
