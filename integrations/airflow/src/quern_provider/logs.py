"""What the tasks of a run have to say, as lines of an Airflow task's log. Nothing here does anything."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

#: How many lines of a run a task's log has, and how many characters of each: what plugins print may be much, and Quern keeps it.
MOST_LINES = 1000
MOST_CHARACTERS = 2000

#: Of a run that has failed: how many of the attempts that failed last are shown at the end, and how many last lines of each.
MOST_ATTEMPTS = 3
MOST_LAST_LINES = 20

#: A line with its level, as ``logging`` has levels.
Line = tuple[int, str]

_LEVELS = {"DEBUG": logging.DEBUG, "INFO": logging.INFO, "WARN": logging.WARNING, "ERROR": logging.ERROR}


class Reader:
    """Takes a run's logs page by page, and says what of it goes to the task's log.

    :param cursor: where another reader has come to.
    :param said: how many lines that one has given.
    """

    def __init__(self, cursor: str = "", said: int = 0) -> None:
        self.cursor = cursor
        self.said = said

    def take(self, run: str, page: Mapping[str, Any]) -> list[Line]:
        """Return the lines of the page at the cursor, as far as there is room for more."""
        self.cursor = page["cursor"]
        lines = [(_LEVELS.get(line["level"], logging.INFO), text(line)) for line in page["lines"] if told(line)]
        room = max(0, MOST_LINES - self.said)
        self.said += len(lines)
        if room and len(lines) > room:
            return [*lines[:room], (logging.WARNING, f"that is enough for this log; for all that there is: quern logs {run}")]
        return lines[:room]


def told(line: Mapping[str, Any]) -> bool:
    """Tell whether a line is more than progress says: what attempts have to say, and what went wrong."""
    return "attempt" in line or line["level"] in ("WARN", "ERROR")


def text(line: Mapping[str, Any]) -> str:
    """Return a line for people, as ``quern logs`` has it but for time and level, which the task's log has itself."""
    said = line["message"] + (f": {line['text']}" if line.get("text") else "")
    said += "".join(f"  {name}={value}" for name, value in sorted((line.get("attributes") or {}).items()))
    if line.get("worker"):
        said += f"  worker={line['worker']}"
    said = printable(said)
    if len(said) > MOST_CHARACTERS:
        said = said[:MOST_CHARACTERS] + "…"
    return f"{place(line)} ".lstrip() + said.replace("\n", "\n    ")


def place(line: Mapping[str, Any]) -> str:
    """Return ``stage/task.attempt``, as far as a line is about one."""
    if "attempt" in line and "task" in line and "stage" in line:
        return f"{line['stage']}/{line['task']}.{line['attempt']}"
    return str(line.get("stage", ""))


def printable(said: str) -> str:
    """Return a text without what a terminal would obey: what plugins print is anybody's."""
    return "".join(c if c in "\n\t" or c.isprintable() else "\ufffd" for c in said.replace("\r", ""))


class LastWords:
    """Keeps the last lines of attempts that have failed."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[Line]] = {}
        self._failed: dict[str, None] = {}  # in the order in which they failed

    def take(self, page: Mapping[str, Any]) -> None:
        """Take in a page."""
        for line in page["lines"]:
            if "attempt" not in line:
                continue
            self._lines.setdefault(place(line), deque(maxlen=MOST_LAST_LINES)).append((_LEVELS.get(line["level"], logging.INFO), text(line)))
            if line["message"] in ("task failed", "attempt failed"):
                self._failed.pop(place(line), None)
                self._failed[place(line)] = None

    def lines(self, run: str) -> Iterable[Line]:
        """Return them: those of the attempts that failed last."""
        failed = list(self._failed)[-MOST_ATTEMPTS:]
        if failed:
            yield logging.ERROR, f"the last words of {len(failed)} of {len(self._failed)} attempts that failed (all: quern logs {run}):"
        for attempt in failed:
            yield from self._lines[attempt]
