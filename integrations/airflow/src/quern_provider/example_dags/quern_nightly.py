"""A night: training examples of a day's flights; and beside them labels of the day's impressions, then the training set of a click model,
in one order of its rows after another.

The jobs are those of Quern's repository, below ``testdata/jobs``; ``QUERN_JOBS`` says where that is, on the machines of Airflow and of Quern
alike. The plugin of the flights, ``distance``, is in the coordinators' registry.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.sdk import DAG, Asset

from quern_provider.operators.quern import QuernRunOperator
from quern_provider.sensors.quern import QuernVersionSensor

JOBS = os.environ.get("QUERN_JOBS", "/srv/quern/testdata/jobs")

with DAG(
    dag_id="quern_nightly",
    schedule="@daily",
    start_date=datetime(2001, 1, 8),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1)},
    tags=["quern"],
) as dag:
    flights = QuernRunOperator(
        task_id="flights",
        job=f"{JOBS}/flight_nightly.yaml",
        job_params={"ds": "{{ ds }}"},
        deferrable=True,
        outlets=[Asset("flights", uri="x-quern://out/flights")],
    )
    labels = QuernRunOperator(
        task_id="labels",
        job=f"{JOBS}/ranking/labels.yaml",
        job_params={"ds": "{{ ds }}"},
        deferrable=True,
        outlets=[Asset("labels", uri="x-quern://ranking/out/labels")],
    )
    labelled = QuernVersionSensor(
        task_id="labelled",
        dataset="{{ ti.xcom_pull('labels')['outputs']['labels']['path'] }}",
        made_with={"ds": "{{ ds }}"},
        poke_interval=10,
        timeout=600,
    )
    training = QuernRunOperator.partial(
        task_id="training", job=f"{JOBS}/ranking/training.yaml", outlets=[Asset("training", uri="x-quern://ranking/out/training")]
    ).expand(job_params=[{"ds": "{{ ds }}", "epoch": epoch} for epoch in range(2)])
    labels >> labelled >> training
