"""What a function knows of its surroundings, and what it tells besides its answers."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from typing import Any

from . import plugin_pb2 as pb

_MOST_LOGS = 1000  # records with one answer; the rest is counted
_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Context:
    """Given to open(), and to each function that has a parameter with this annotation."""

    def __init__(self, function: str, options: Any, files: Mapping[str, str]):
        self.function = function
        #: What the job gives: an instance of the dataclass that the function takes.
        self.options: Any = options
        #: Paths of side files by name, only to be read. Their content is part of what the plan pins.
        self.files = dict(files)
        self.told = Reports()
        #: Goes to the log of the run; attributes with extra={…}.
        self.log = logging.Logger(function, logging.DEBUG)
        self.log.addHandler(_Handler(self.told))

    def count(self, counter: str, n: int = 1) -> None:
        """Adds to a counter, which is shown with the run. Tasks that are run again count once."""
        self.told.count(counter, n)


class Reports:
    """What is told with the next answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._report = pb.Report()
        self._dropped = 0

    def count(self, counter: str, n: int) -> None:
        with self._lock:
            self._report.counters[counter] += n

    def worked(self, nanos: int) -> None:
        with self._lock:
            self._report.busy_nanos += nanos

    def add(self, record: pb.LogRecord) -> None:
        with self._lock:
            if len(self._report.logs) < _MOST_LOGS:
                self._report.logs.append(record)
            else:
                self._dropped += 1

    def take(self) -> pb.Report | None:
        with self._lock:
            if self._dropped:
                self._report.logs.append(pb.LogRecord(level=4, message=f"{self._dropped} more log records were dropped"))
            report, self._report, self._dropped = self._report, pb.Report(), 0
        return report if report.logs or report.counters or report.busy_nanos else None


class _Handler(logging.Handler):
    def __init__(self, told: Reports):
        super().__init__()
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        extra = {k: v for k, v in vars(record).items() if k not in _STANDARD}
        if record.exc_info:
            extra["exception"] = logging.Formatter().formatException(record.exc_info)
        self._told.add(
            pb.LogRecord(
                level=record.levelno * 4 // 10 - 8,  # as of Go's log/slog
                message=record.getMessage(),
                attributes=json.dumps(extra, default=str) if extra else "",
            )
        )
