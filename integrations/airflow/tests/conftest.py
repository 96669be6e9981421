"""A live cluster on loopback, three coordinators and two workers, and an Airflow home of its own on SQLite."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
HOME = Path(tempfile.mkdtemp(prefix="quern-airflow-"))

os.environ.update(
    AIRFLOW_HOME=str(HOME),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__UNIT_TEST_MODE="False",
    AIRFLOW__CORE__DAGS_FOLDER=str(HOME / "dags"),
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{HOME}/airflow.db",
    AIRFLOW__LOGGING__LOGGING_LEVEL="INFO",
)


def free_ports(n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


@dataclass
class Cluster:
    """Processes of the real binary."""

    dir: Path
    binary: str
    addresses: dict[str, str] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self) -> None:
        ports = free_ports(5)
        self.addresses = {f"c{i + 1}": f"127.0.0.1:{ports[i]}" for i in range(3)}
        for name in self.addresses:
            self.start_coordinator(name)
        self.wait_leader()
        for i in range(2):
            self.run(
                f"w{i + 1}", "worker", "--coordinator", self.url, "--listen", f"127.0.0.1:{ports[3 + i]}",
                "--scratch", str(self.dir / f"w{i + 1}"), "--slots", "2", "--memory", "512MiB",
            )

    def start_coordinator(self, name: str) -> None:
        peers = ",".join(f"{n}={a}" for n, a in self.addresses.items())
        self.run(
            name, "coordinator", "--id", name, "--listen", self.addresses[name], "--state", str(self.dir / name), "--peers", peers,
            "--registry", str(self.registry),
        )

    @property
    def registry(self) -> Path:
        """Where the coordinators look plugins up."""
        return self.dir / "plugins"

    def push(self, name: str) -> str:
        """Push a plugin of testdata under its name; returns its digest."""
        words = [self.binary, "udf", "push", name, str(ROOT / "testdata" / "plugins" / name), "--registry", str(self.registry)]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip().partition("@")[2]

    def run(self, name: str, *words: str) -> None:
        log = open(self.dir / f"{name}.log", "ab")
        self.processes[name] = subprocess.Popen([self.binary, *words], stdout=log, stderr=log, cwd=self.dir)

    @property
    def url(self) -> str:
        return ",".join(f"http://{a}" for a in self.addresses.values())

    def leader(self) -> str | None:
        from quern_provider.client import Client, QuernError

        try:
            return Client([f"http://{a}" for a in self.addresses.values()], patience=1).call("GET", "/v1/cluster").get("leader")
        except QuernError:
            return None

    def wait_leader(self) -> str:
        for _ in range(300):
            if name := self.leader():
                return name
            time.sleep(0.1)
        raise AssertionError("no coordinator leads")

    def kill(self, name: str) -> None:
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()

    @property
    def client(self):
        from quern_provider.client import Client

        return Client([f"http://{a}" for a in self.addresses.values()])

    def runs(self) -> list[dict]:
        return self.client.call("GET", "/v1/runs")["runs"]

    def stop(self) -> None:
        for p in self.processes.values():
            if p.poll() is None:
                p.kill()
        for p in self.processes.values():
            p.wait()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    binary = os.environ.get("QUERN_BINARY", str(ROOT / "bin" / "quern"))
    if not os.access(binary, os.X_OK):
        pytest.exit(f"{binary} is not there: make build", returncode=2)
    c = Cluster(tmp_path_factory.mktemp("quern"), binary)
    try:
        c.start()
        connection = {
            "conn_type": "quern",
            "host": ",".join(c.addresses.values()),
            "schema": "http",
            "extra": json.dumps({"patience": 30}),
        }
        os.environ["AIRFLOW_CONN_QUERN_DEFAULT"] = json.dumps(connection)
        yield c
    finally:
        c.stop()


@pytest.fixture(scope="session")
def airflow() -> Path:
    """Airflow's home, with its database made."""
    (HOME / "dags").mkdir(exist_ok=True)
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
    return HOME


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    return tmp_path


def job(source: Path, output: Path, *, sql: str | None = None, extra: str = "") -> str:
    """The text of a job over the flights of a day."""
    sql = sql or "SELECT origin, count(*) AS flights FROM flights WHERE day = ${ds} GROUP BY origin"
    return f"""name: routes
params:
  ds: {{type: date}}
sources:
  flights: {{path: {source}, partitions: {{day: date}}}}
steps:
  - name: routes
    sql: {sql}
outputs:
  - name: routes
    path: {output}
{extra}"""


def plugin_job(workdir: Path, plugin: str, export: str) -> str:
    """The text of a job that calls a plugin function for the rows 7 and 13, which lie in the folder."""
    (workdir / "rows.csv").write_text("id\n7\n13\n")
    return f"""name: plugged
params:
  ds: {{type: date}}
sources:
  rows: {{path: {workdir}/rows.csv, format: csv, options: {{header: true}}, columns: {{id: bigint}}}}
functions:
  f: {{plugin: {plugin}, export: {export}}}
steps:
  - {{name: kept, sql: "SELECT id, f(id) AS same FROM rows"}}
outputs:
  - {{name: kept, path: {workdir}/out}}
"""


@pytest.fixture
def flights() -> Path:
    return ROOT / "testdata" / "flights"


HEADER = """
from datetime import datetime, timezone
from airflow.sdk import DAG, Asset
from quern_provider.operators.quern import QuernBackfillOperator, QuernRunOperator
from quern_provider.sensors.quern import QuernVersionSensor

with DAG({name!r}, schedule=None, start_date=datetime(2001, 1, 1, tzinfo=timezone.utc), is_paused_upon_creation=False) as dag:
    {task}
"""


def write_dag(name: str, task: str):
    """Put a DAG of one task where Airflow looks for DAGs; returns it."""
    file = HOME / "dags" / f"{name}.py"
    file.write_text(HEADER.format(name=name, task=task))
    scope: dict = {"__file__": str(file), "__name__": f"dags_{name}"}
    exec(compile(file.read_text(), str(file), "exec"), scope)
    scope["dag"].fileloc = str(file)
    return scope["dag"]
