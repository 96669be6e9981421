"""What Airflow asks a provider about itself."""

from __future__ import annotations

from typing import Any

from quern_provider import __version__


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, in the form of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "airflow-provider-quern",
        "name": "Quern",
        "description": "Runs `Quern <https://github.com/quern-engine/quern>`__ jobs.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": "Quern",
                "external-doc-url": "https://github.com/quern-engine/quern",
                "tags": ["software"],
            }
        ],
        "hooks": [{"integration-name": "Quern", "python-modules": ["quern_provider.hooks.quern"]}],
        "operators": [{"integration-name": "Quern", "python-modules": ["quern_provider.operators.quern"]}],
        "sensors": [{"integration-name": "Quern", "python-modules": ["quern_provider.sensors.quern"]}],
        "triggers": [{"integration-name": "Quern", "python-modules": ["quern_provider.triggers.quern"]}],
        "connection-types": [
            {"connection-type": "quern", "hook-class-name": "quern_provider.hooks.quern.QuernHook", "hook-name": "Quern"}
        ],
        "extra-links": ["quern_provider.operators.quern.QuernRunLink"],
    }
