"""Random rows and events: few keys and few moments, so that keys, times and whole rows come more than once, and NULLs."""

import os
import random

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

FIRST = int(os.environ.get("SEED") or 1)
SEEDS = range(FIRST, FIRST + int(os.environ.get("SEEDS") or 4))
SECOND = pd.Timedelta(seconds=1)
START = pd.Timestamp("2024-01-01", tz="UTC")
KEYS = ["k", "n"]


class Logs:
    """Draws of one seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.span = self.random.choice([20, 60, 400])  # moments that there are

    def maybe(self, value, share=0.08):
        return None if self.random.random() < share else value

    def rows(self, n, unit=SECOND, **columns):
        """n rows with the keys k and n, a time t, a number of their own, and more columns, each drawn by a function."""
        draw = self.random
        rows = [
            {
                "k": self.maybe(draw.choice(["a", "b", "c", "dé"])), "n": self.maybe(draw.randrange(3)),
                "t": self.maybe(START + draw.randrange(self.span) * unit, 0.04), "id": i,
            } | {c: f() for c, f in columns.items()}
            for i in range(n)
        ]
        draw.shuffle(rows)
        return pd.DataFrame(rows).astype({"k": "string", "n": "Int64", "t": "datetime64[us, UTC]"})

    def write(self, frame, folder, types={}):
        """The rows in two files, in row groups of random sizes."""
        folder.mkdir(parents=True)
        cut = self.random.randrange(len(frame) + 1)
        for i, part in enumerate((frame[:cut], frame[cut:])):
            table = pa.Table.from_pandas(part, preserve_index=False)
            for c, t in types.items():
                table = table.set_column(table.schema.get_field_index(c), c, table[c].cast(t))
            pq.write_table(table, folder / f"part-{i}.parquet", row_group_size=self.random.choice([7, 50, 1000]))


def complete(frame):
    """The rows that have their keys and their time: no others match anything."""
    return frame.dropna(subset=[*KEYS, "t"])
