import os
import shutil

import pytest

import lib


@pytest.fixture(scope="session")
def spark():
    sql = pytest.importorskip("pyspark.sql")
    if not shutil.which("java"):
        pytest.skip("no Java here: Spark did not read anything")
    session = (
        sql.SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


@pytest.fixture(scope="session")
def ranking(tmp_path_factory):
    """The datasets of testdata/jobs/ranking, from generated events."""
    folder = str(tmp_path_factory.mktemp("ranking"))
    lib.quern(*"datagen events --out events --days 5 --impressions 20000 --users 500 --items 200 --late 0.1 --hot 0.1 --duplicates 0.02 --files 2".split(), cwd=folder)
    datasets = {}
    for job in ("labels", "training", "retrieval"):
        shutil.copy(f"{lib.REPO}/testdata/jobs/ranking/{job}.yaml", folder)
        datasets |= lib.run(f"{job}.yaml", folder, "-p", "ds=2024-01-02")
    return datasets


@pytest.fixture(scope="session")
def flights(tmp_path_factory):
    """The training set of the flights."""
    folder = str(tmp_path_factory.mktemp("flights"))
    return lib.run(os.path.join(lib.REPO, "testdata/jobs/flight_training.yaml"), folder, "-p", "ds=2001-01-10")["examples"]
