"""What a function may say is wrong. Any other exception is a fault of the function itself."""

from __future__ import annotations

from collections.abc import Mapping


class RowErrors(Exception):
    """Rows of the batch that the function refuses, by their places in the columns that it was given, with the reasons."""

    def __init__(self, rows: Mapping[int, str]):
        super().__init__("; ".join(f"row {row}: {why}" for row, why in sorted(rows.items())[:5]))
        self.rows = {int(row): str(why) for row, why in rows.items()}


class RowError(RowErrors):
    """One row that the function refuses: RowError("no such port", row=7), or without a row where a function has but one."""

    def __init__(self, message: str, row: int = 0):
        super().__init__({row: message})
        self.message = message

    def __str__(self) -> str:
        return self.message


class Refuse(Exception):
    """The job's options or files are wrong; option is a JSON Pointer ("/threshold"), file the name of a side file."""

    def __init__(self, message: str, *, option: str = "", file: str = ""):
        super().__init__(message)
        self.option = option
        self.file = file
