"""Trains the model of plugin.py on the first week of testdata/flights: python train.py FLIGHTS MODEL. The same input gives a
model with the same answers; its file has times in it."""

import sys
import zipfile

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier


def features(flights):
    """The columns that the job gives the function: distance, hour, weekday from 0 for Monday."""
    date = flights.column("date")
    return np.column_stack([flights.column("distance").to_numpy(), pc.hour(date).to_numpy(), pc.day_of_week(date).to_numpy()])


def week(folder, days):
    """The flights of some days of January 2001."""
    return pq.read_table([f"{folder}/day=2001-01-{day:02}/flights.parquet" for day in days], partitioning=None)


def main():
    folder, out = sys.argv[1:]
    flights = week(folder, range(1, 8))
    late = pc.greater(flights.column("delay"), 15).to_numpy()
    model = HistGradientBoostingClassifier(max_iter=30, max_leaf_nodes=15, early_stopping=False, random_state=0)
    model.fit(features(flights), late)
    skops.io.dump(model, out, compression=zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main()
