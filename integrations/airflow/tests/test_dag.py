"""Tasks on a live cluster, by ``dag.test()``: each in this process, deferred ones with their trigger."""

from __future__ import annotations

import json
import threading
import time
from datetime import datetime, timezone

import pytest
from conftest import ROOT, job, plugin_job, write_dag

DAY = datetime(2001, 1, 10, tzinfo=timezone.utc)

pytestmark = pytest.mark.usefixtures("cluster", "airflow")


#: Takes seconds: each flight of a day with each other from the same origin.
SLOW = "SELECT a.origin, count(*) AS flights FROM flights a JOIN flights b ON a.origin = b.origin WHERE a.day = ${ds} AND b.day = ${ds} GROUP BY a.origin"


def one_run(name, text, workdir, more=""):
    """A DAG of one task that runs a job for the day."""
    return write_dag(
        name, f"""QuernRunOperator(task_id="routes", job={text!r}, job_params={{"ds": "{{{{ ds }}}}"}}, base_dir={str(workdir)!r}, {more})"""
    )


def run_dag(dag, when=DAY):
    """Run a DAG; returns its run and the task instances by id."""
    dag_run = dag.test(logical_date=when)
    return dag_run, {ti.task_id: ti for ti in dag_run.get_task_instances()}


def returned(ti, key="return_value"):
    """What a task has put into XCom."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        found = session.scalars(XComModel.get_many(run_id=ti.run_id, key=key, task_ids=ti.task_id, dag_ids=ti.dag_id)).first()
        assert found is not None, f"{ti.task_id} has put nothing under {key}"
        return XComModel.deserialize_value(found)


@pytest.mark.parametrize("deferrable", [False, True])
def test_success(cluster, flights, workdir, deferrable):
    (workdir / "routes.yaml").write_text(job(flights, workdir / "out"))
    dag = write_dag(
        f"success_{deferrable}",
        f"""QuernRunOperator(task_id="routes", job={str(workdir / "routes.yaml")!r}, job_params={{"ds": "{{{{ ds }}}}"}},
        deferrable={deferrable}, outlets=[Asset("routes_{deferrable}", uri="x-quern:/{workdir}/out")])""",
    )
    dag_run, tis = run_dag(dag)
    assert dag_run.state == "success"
    result = returned(tis["routes"])
    output = result["outputs"]["routes"]
    manifest = json.loads(open(output["manifest"]).read())
    assert manifest["rows"] == output["rows"] > 100
    assert (workdir / "out" / "_LATEST").read_text().strip() == result["run_id"]
    assert returned(tis["routes"], "_link_QuernRunLink").endswith("/v1/runs/" + result["run_id"])
    # The same again is the same run.
    before = len(cluster.runs())
    _, tis = run_dag(dag)
    assert returned(tis["routes"])["run_id"] == result["run_id"]
    assert len(cluster.runs()) == before


def test_failure_says_where(cluster, flights, workdir, capfd, caplog):
    dag = one_run("failure", job(flights, workdir / "out", sql="SELECT orgin FROM flights WHERE day = ${ds}"), workdir, "retries=3")
    dag_run, tis = run_dag(dag)
    assert dag_run.state == "failed"
    said = capfd.readouterr()
    assert "orgin" in said.out + said.err + caplog.text
    assert tis["routes"].state == "failed", "a mistake in the job is not tried again"
    assert not (workdir / "out").exists()


@pytest.mark.parametrize("deferrable", [False, True])
def test_the_log_has_progress_and_last_words(cluster, flights, workdir, deferrable, capfd, caplog):
    text = job(flights, workdir / "out", sql="SELECT CAST(origin AS BIGINT) AS origin FROM flights WHERE day = ${ds}")
    name = f"last_words_{deferrable}"
    dag_run, _ = run_dag(one_run(name, text, workdir, f"deferrable={deferrable}, poll_interval=1"))
    assert dag_run.state == "failed"
    captured = capfd.readouterr()
    said = captured.out + captured.err + caplog.text
    run = next(r["run_id"] for r in cluster.runs() if r["run_id"].startswith(f"af-{name}"))
    assert f"run {run}: failed" in said
    assert f"attempts that failed (all: quern logs {run})" in said
    assert "0/0.0 task failed: " in said and "CAST_INVALID_INPUT" in said


@pytest.mark.parametrize("deferrable", [False, True])
def test_plugins_are_found_by_name(cluster, workdir, deferrable, capfd, caplog):
    digest = cluster.push("panicky")
    name = f"plugged_{deferrable}"
    dag_run, tis = run_dag(one_run(name, plugin_job(workdir, "panicky", "says"), workdir, f"deferrable={deferrable}, poll_interval=1"))
    assert dag_run.state == "success"
    assert digest in open(returned(tis["routes"])["outputs"]["kept"]["manifest"]).read()
    captured = capfd.readouterr()
    said = captured.out + captured.err + caplog.text
    assert said.count("0/0.0 plugin says: this is row 7") == 1 and said.count("0/0.0 plugin says: this is row 13") == 1


def test_a_plugin_that_ends_has_its_last_words_in_the_log(cluster, workdir, capfd, caplog):
    cluster.push("panicky")
    dag_run, tis = run_dag(one_run("plugin_ends", plugin_job(workdir, "panicky", "exits_on_13"), workdir, "poll_interval=1, deferrable=True"))
    assert dag_run.state == "failed"
    captured = capfd.readouterr()
    said = captured.out + captured.err + caplog.text
    assert "plugin says: thirteen is too much for me" in said.partition("attempts that failed (all: quern logs")[2]


def test_a_plugin_by_its_path_is_refused(cluster, workdir, capfd, caplog):
    path = ROOT / "testdata" / "plugins" / "panicky"
    dag_run, tis = run_dag(one_run("plugin_path", plugin_job(workdir, str(path), "says"), workdir, "retries=3"))
    assert dag_run.state == "failed" and tis["routes"].state == "failed"
    captured = capfd.readouterr()
    assert "coordinators do not take plugins from paths" in captured.out + captured.err + caplog.text


def test_blocked_by_a_check_then_published(cluster, flights, workdir, capfd, caplog):
    text = job(flights, workdir / "out", extra="checks:\n  - rows: {min: 1000000}\n")
    dag = one_run("blocked", text, workdir)
    dag_run, _ = run_dag(dag)
    assert dag_run.state == "failed"
    blocked = next(r for r in cluster.runs() if r["state"] == "blocked")
    said = capfd.readouterr()
    assert f"quern release {blocked['run_id']}" in said.out + said.err + caplog.text
    cluster.client.call("POST", f"/v1/runs/{blocked['run_id']}/publish", body={"because": "a test"})
    for _ in cluster.client.follow(blocked["run_id"], 1):
        pass
    dag_run, tis = run_dag(dag)
    assert dag_run.state == "success"
    assert returned(tis["routes"])["run_id"] == blocked["run_id"]


def test_leader_killed(cluster, flights, workdir):
    dag = one_run("leader_killed", job(flights, workdir / "out", sql=SLOW), workdir, "poll_interval=1")
    leader = cluster.wait_leader()

    def kill():
        while not any(r["run_id"].startswith("af-leader_killed") for r in cluster.runs()):
            time.sleep(0.01)
        cluster.kill(leader)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        dag_run, _ = run_dag(dag)
    finally:
        killer.join()
        cluster.start_coordinator(leader)
    assert dag_run.state == "success"
    assert [r["state"] for r in cluster.runs() if r["run_id"].startswith("af-leader_killed")] == ["succeeded"]


@pytest.mark.parametrize("deferrable", [False, True])
def test_sensor_waits_for_the_version_of_a_date(cluster, flights, workdir, deferrable):
    name = f"sensor_{deferrable}"
    dag = write_dag(
        name,
        f"""QuernVersionSensor(task_id="ready", dataset={str(workdir / "out")!r}, made_with={{"ds": "{{{{ ds }}}}"}}, poke_interval=0.5,
        timeout=60, deferrable={deferrable})""",
    )
    source = one_run(name + "_source", job(flights, workdir / "out"), workdir)
    run_dag(source, datetime(2001, 1, 9, tzinfo=timezone.utc))  # of another date

    def publish():
        from quern_provider import runs

        time.sleep(1)
        cluster.client.submit(
            runs.request(f"{name}-10", text=job(flights, workdir / "out"), file="", params={"ds": "2001-01-10"}, base_dir=str(workdir))
        )

    later = threading.Thread(target=publish)
    later.start()
    dag_run, tis = run_dag(dag)
    later.join()
    assert dag_run.state == "success"
    assert returned(tis["ready"])["version"] == f"{name}-10"


def test_backfill_over_dates(cluster, flights, workdir):
    dag = write_dag(
        "backfill",
        f"""QuernBackfillOperator(task_id="history", job={job(flights, workdir / "out")!r}, first="{{{{ macros.ds_add(ds, -3) }}}}",
        last="{{{{ ds }}}}", base_dir={str(workdir)!r}, poll_interval=1)""",
    )
    dag_run, tis = run_dag(dag)
    assert dag_run.state == "success"
    results = returned(tis["history"])
    assert [r["date"] for r in results] == ["2001-01-07", "2001-01-08", "2001-01-09", "2001-01-10"]
    assert len({r["outputs"]["routes"]["version_path"] for r in results}) == 4
    before = len(cluster.runs())
    run_dag(dag, datetime(2001, 1, 11, tzinfo=timezone.utc))  # three dates of it are there
    assert len(cluster.runs()) == before + 1


def test_mapped_tasks_have_runs_of_their_own(cluster, flights, workdir):
    dag = write_dag(
        "mapped",
        f"""QuernRunOperator.partial(task_id="routes", job={job(flights, workdir / "out")!r}, base_dir={str(workdir)!r}).expand(
        job_params=[{{"ds": "2001-01-01"}}, {{"ds": "2001-01-02"}}])""",
    )
    dag_run = dag.test(logical_date=DAY)
    assert dag_run.state == "success"
    assert len([r for r in cluster.runs() if r["run_id"].startswith("af-mapped")]) == 2


def test_the_example_dag(cluster, workdir):
    """The night of example_dags, on a day of flights and of generated events."""
    import os
    import shutil
    import subprocess

    from conftest import HOME

    cluster.push("distance")
    jobs = workdir / "jobs"
    shutil.copytree(ROOT / "testdata" / "jobs", jobs, ignore=shutil.ignore_patterns("events", "out"))
    (workdir / "flights").symlink_to(ROOT / "testdata" / "flights")
    events = ["--out", str(jobs / "ranking" / "events"), "--start", "2001-01-09", "--days", "3", "--impressions", "2k", "--users", "500", "--items", "200"]
    subprocess.run([cluster.binary, "datagen", "events", *events], check=True, capture_output=True)
    os.environ["QUERN_JOBS"] = str(jobs)
    source = ROOT / "integrations/airflow/src/quern_provider/example_dags/quern_nightly.py"
    file = HOME / "dags" / "quern_nightly.py"
    file.write_text(source.read_text())
    scope = {"__file__": str(file), "__name__": "dags_quern_nightly"}
    exec(compile(file.read_text(), str(file), "exec"), scope)
    scope["dag"].fileloc = str(file)
    dag_run = scope["dag"].test(logical_date=DAY)
    assert dag_run.state == "success"
    assert len([r for r in cluster.runs() if r["run_id"].startswith("af-quern_nightly") and not r.get("checks_of") and r["state"] == "succeeded"]) == 4
    assert {p.name for p in jobs.glob("**/out/*")} == {"flights", "labels", "training"}


def test_openlineage_has_the_outputs():
    pytest.importorskip("airflow.providers.openlineage")
    from quern_provider.operators.quern import QuernRunOperator

    class Instance:
        task_id, map_index = "routes", -1

        def xcom_pull(self, **_):
            return {"outputs": {"routes": {"path": "s3://lake/train/routes"}}}

    lineage = QuernRunOperator(task_id="routes", job="x").get_openlineage_facets_on_complete(Instance())
    assert [(d.namespace, d.name) for d in lineage.outputs] == [("s3://lake", "train/routes")]
