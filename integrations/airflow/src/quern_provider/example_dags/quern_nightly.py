"""A night: labels of a day's impressions, then the training set of a click model, in one order of its rows after another.

The jobs are those of Quern's tutorial; ``QUERN_JOBS`` says where they are, on the machines of Airflow and of Quern alike.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.sdk import DAG, Asset

from quern_provider.operators.quern import QuernRunOperator
from quern_provider.sensors.quern import QuernVersionSensor

JOBS = os.environ.get("QUERN_JOBS", "/srv/quern/testdata/jobs/ranking")

with DAG(
    dag_id="quern_nightly",
    schedule="@daily",
    start_date=datetime(2024, 1, 2),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1)},
    tags=["quern"],
) as dag:
    labels = QuernRunOperator(
        task_id="labels",
        job=f"{JOBS}/labels.yaml",
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
        task_id="training", job=f"{JOBS}/training.yaml", outlets=[Asset("training", uri="x-quern://ranking/out/training")]
    ).expand(job_params=[{"ds": "{{ ds }}", "epoch": epoch} for epoch in range(2)])
    labels >> labelled >> training
