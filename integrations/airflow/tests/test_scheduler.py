"""What ``dag.test()`` cannot show: Airflow's own scheduler, executor, triggerer and API server beside the live cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import HOME, free_ports, job, write_dag
from test_dag import SLOW

RETRYING = ", retries=2, retry_delay=__import__('datetime').timedelta(seconds=1), poll_interval=1"


def airflow_cli(*words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "airflow", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def scheduler(airflow: Path, cluster) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Airflow's processes: the API server, the scheduler, the DAG processor and the triggerer."""
    port = free_ports(1)[0]
    os.environ.update(
        AIRFLOW__API__PORT=str(port),
        AIRFLOW__CORE__EXECUTION_API_SERVER_URL=f"http://127.0.0.1:{port}/execution/",
        AIRFLOW__API_AUTH__JWT_SECRET="a secret of these tests, long enough for its purpose: " + "x" * 32,
        AIRFLOW__CORE__EXECUTOR="LocalExecutor",
        AIRFLOW__CORE__PARALLELISM="4",
        AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL="2",
        AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL="2",
        AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC="1",
        AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT="10",
        AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL="2",
        AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC="1",
        AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD="4",
    )
    processes = [start_airflow(*words) for words in (["api-server", "--port", str(port), "--workers", "1"], ["scheduler"], ["dag-processor"])]
    processes.append(start_airflow("triggerer"))
    try:
        yield processes
    finally:
        for p in processes:
            end(p, signal.SIGTERM)
        for p in processes:
            try:
                p.wait(20)
            except subprocess.TimeoutExpired:
                end(p, signal.SIGKILL)


def start_airflow(*words: str) -> subprocess.Popen[bytes]:
    log = open(HOME / f"{words[0]}.log", "ab")
    return subprocess.Popen([sys.executable, "-m", "airflow", *words], stdout=log, stderr=log, start_new_session=True)


def end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """Send a signal to a process of Airflow and those that it has started."""
    try:
        os.killpg(process.pid, how)
    except ProcessLookupError:
        pass


def wait(what: str, seconds: float, look: Callable[[], object]):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.3)
    logs = "\n".join(f"== {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in HOME.glob("*.log"))
    raise AssertionError(f"waited too long for {what}\n{logs}")


def task_state(dag: str, run: str) -> str:
    return json.loads(airflow_cli("tasks", "states-for-dag-run", dag, run, "-o", "json"))[0]["state"] or "none"


def trigger(dag: str) -> str:
    wait(f"DAG {dag}", 90, lambda: dag in airflow_cli("dags", "list", "-o", "json"))
    run = f"test-{dag}"
    airflow_cli("dags", "trigger", dag, "--run-id", run, "--logical-date", "2001-01-10")
    return run


def quern_runs(cluster, dag: str) -> list[dict]:
    return [r for r in cluster.runs() if r["run_id"].startswith(f"af-{dag}.")]


def task_processes(scheduler: list[subprocess.Popen[bytes]]) -> list[int]:
    """The processes that run tasks' own code: they are forked by the executor's workers, which the scheduler forks."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
    workers = [pid for pid, parent in parents.items() if parent == scheduler[1].pid]
    return [pid for pid, parent in parents.items() if parent in workers]


def test_a_killed_task_finds_its_run_again(cluster, scheduler, flights, workdir):
    write_dag(
        "task_killed",
        f"""QuernRunOperator(task_id="routes", job={job(flights, workdir / "out", sql=SLOW)!r}, job_params={{"ds": "{{{{ ds }}}}"}},
        base_dir={str(workdir)!r}{RETRYING})""",
    )
    with stopped_workers(cluster):
        run = trigger("task_killed")
        wait("the run", 120, lambda: quern_runs(cluster, "task_killed"))
        victims = wait("the task's process", 30, lambda: task_processes(scheduler))
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    wait("success", 180, lambda: task_state("task_killed", run) == "success")
    assert instance("task_killed", run)["try_number"] > 1
    assert [r["state"] for r in quern_runs(cluster, "task_killed")] == ["succeeded"]


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_task_that_is_marked_failed_has_its_run_cancelled(cluster, scheduler, flights, workdir, deferrable):
    dag = f"cancelled_{str(deferrable).lower()}"
    write_dag(
        dag,
        f"""QuernRunOperator(task_id="routes", job={job(flights, workdir / "out", sql=SLOW)!r}, job_params={{"ds": "{{{{ ds }}}}"}},
        base_dir={str(workdir)!r}, deferrable={deferrable}{RETRYING})""",
    )
    with stopped_workers(cluster):
        run = trigger(dag)
        wait("the run", 120, lambda: quern_runs(cluster, dag))
        wait("the task to wait", 60, lambda: task_state(dag, run) == ("deferred" if deferrable else "running"))
        instance(dag, run, {"new_state": "failed"})  # as the button in Airflow's pages does
        wait("the run to be cancelled", 90, lambda: quern_runs(cluster, dag)[0]["state"] == "cancelled" or quern_runs(cluster, dag)[0].get("failure"))
    wait("the end", 90, lambda: quern_runs(cluster, dag)[0]["state"] == "cancelled")
    assert task_state(dag, run) == "failed"
    assert not (workdir / "out").exists()


def test_a_trigger_that_is_lost_has_its_lines_said_once(cluster, scheduler, flights, workdir):
    write_dag(
        "trigger_lost",
        f"""QuernRunOperator(task_id="routes", job={job(flights, workdir / "out", sql=SLOW)!r}, job_params={{"ds": "{{{{ ds }}}}"}},
        base_dir={str(workdir)!r}, deferrable=True{RETRYING})""",
    )
    with stopped_workers(cluster):
        run = trigger("trigger_lost")
        quern_run = wait("the run", 120, lambda: quern_runs(cluster, "trigger_lost"))[0]["run_id"]
        wait("progress", 60, lambda: f"run {quern_run}: " in "".join(task_log("trigger_lost", run)))
        wait("what is told to be noted", 60, lambda: "quern_told" in xcoms("trigger_lost", run))
        end(scheduler[3], signal.SIGKILL)
        scheduler[3].wait()
        before = task_log("trigger_lost", run)
        scheduler[3] = start_airflow("triggerer")
    wait("success", 180, lambda: task_state("trigger_lost", run) == "success")
    said = task_log("trigger_lost", run)
    assert len(said) > len(before)
    assert [line for line in said if line == f"run {quern_run}: succeeded"]
    told = [line for line in said if line.startswith((f"run {quern_run}: queued", f"run {quern_run}: running", "stage "))]
    assert len(told) == len(set(told)) > 1, told


@contextmanager
def stopped_workers(cluster) -> Iterator[None]:
    """Has runs wait, so that they go on when it is over."""
    stopped = [p for name, p in cluster.processes.items() if name.startswith("w") and p.poll() is None]
    for worker in stopped:
        worker.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for worker in stopped:
            worker.send_signal(signal.SIGCONT)


def instance(dag: str, run: str, change: dict | None = None) -> dict:
    """What Airflow's API says of the task, after a change if there is one."""
    return airflow_api("PATCH" if change else "GET", f"dags/{dag}/dagRuns/{run}/taskInstances/routes", change)


def task_log(dag: str, run: str) -> list[str]:
    """The lines of the log of the task's first try."""
    content = airflow_api("GET", f"dags/{dag}/dagRuns/{run}/taskInstances/routes/logs/1?full_content=true")["content"]
    return [line["event"] if isinstance(line, dict) else line for line in content]


def xcoms(dag: str, run: str) -> list[str]:
    """The keys of what the task has put into XCom."""
    return [x["key"] for x in airflow_api("GET", f"dags/{dag}/dagRuns/{run}/taskInstances/routes/xcomEntries")["xcom_entries"]]


def airflow_api(method: str, path: str, body: dict | None = None) -> dict:
    import httpx

    base = f"http://127.0.0.1:{os.environ['AIRFLOW__API__PORT']}"
    headers = {"Authorization": f"Bearer {airflow_token(base)}", "Accept": "application/json"}
    answer = httpx.request(method, f"{base}/api/v2/{path}", json=body, headers=headers, timeout=30)
    assert answer.is_success, answer.text
    return answer.json()


def airflow_token(base: str) -> str:
    """A token of the simple auth manager, whose password Airflow has made up."""
    import httpx

    passwords = json.loads((HOME / "simple_auth_manager_passwords.json.generated").read_text())
    user, password = next(iter(passwords.items()))
    answer = httpx.post(f"{base}/auth/token", json={"username": user, "password": password}, timeout=30)
    assert answer.is_success, answer.text
    return answer.json()["access_token"]
