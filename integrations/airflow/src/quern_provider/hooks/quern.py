"""The hook: from an Airflow connection to a client of the coordinators."""

from __future__ import annotations

import ssl
from typing import Any

from airflow.sdk import BaseHook

from quern_provider.client import Client


class QuernHook(BaseHook):
    """Connects to Quern's coordinators.

    The connection's *host* is one coordinator, or several separated by commas, each with its port if that is not the connection's *port*
    (7071 if there is none). *schema* is ``http`` or ``https``; the *password* is the token. *extra* may have ``ca`` (a PEM file with
    the authority that signed the coordinators' certificates) and ``patience`` (for how many seconds requests are repeated: 60).

    :param quern_conn_id: the connection.
    """

    conn_name_attr = "quern_conn_id"
    default_conn_name = "quern_default"
    conn_type = "quern"
    hook_name = "Quern"

    def __init__(self, quern_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.quern_conn_id = quern_conn_id

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Say which fields of the connection form mean what."""
        return {
            "hidden_fields": ["login"],
            "relabeling": {"host": "Coordinators", "schema": "http or https", "password": "Token"},
            "placeholders": {"host": "q1.example.com,q2.example.com,q3.example.com", "port": "7071", "extra": '{"ca": "/etc/quern/ca.pem"}'},
        }

    def get_conn(self) -> Client:
        """Return a client for the connection."""
        return self._client(self.get_connection(self.quern_conn_id))

    async def aget_conn(self) -> Client:
        """The same as :meth:`get_conn`, for a trigger's event loop."""
        return self._client(await self.aget_connection(self.quern_conn_id))

    def _client(self, connection: Any) -> Client:
        extra = connection.extra_dejson
        if not connection.host:
            raise ValueError(f"connection {self.quern_conn_id} has no host: give it the coordinators' addresses")
        scheme = connection.schema or "http"
        port = connection.port or 7071
        hosts = [host.strip() for host in connection.host.split(",") if host.strip()]
        return Client(
            endpoints=[f"{scheme}://{host if _has_port(host) else f'{host}:{port}'}" for host in hosts],
            token=connection.password or None,
            verify=ssl.create_default_context(cafile=extra["ca"]) if extra.get("ca") else True,
            patience=float(extra.get("patience", 60)),
        )

    def test_connection(self) -> tuple[bool, str]:
        """Ask who leads: what the button of the connection form does."""
        try:
            cluster = self.get_conn().call("GET", "/v1/cluster")
        except Exception as error:  # whatever it is, the form shows it
            return False, str(error)
        return True, f"coordinator {cluster['leader']} leads" if cluster.get("leader") else "there is no leader at the moment"


def _has_port(host: str) -> bool:
    return host.rsplit("]", 1)[-1].count(":") == 1
