"""Apache Airflow provider for Quern."""

__version__ = "0.1.0"
