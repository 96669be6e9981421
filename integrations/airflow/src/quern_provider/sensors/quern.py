"""Sensors for datasets that Quern publishes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue, conf

from quern_provider.hooks.quern import QuernHook
from quern_provider.triggers.quern import QuernVersionTrigger, fits

if TYPE_CHECKING:
    from airflow.sdk import Context


class QuernVersionSensor(BaseSensorOperator):
    """Waits until a dataset's latest version is one that was made with given parameters.

    Returns, as XCom, ``{"path", "version", "version_path", "rows"}``: read ``version_path``, which stays as it is when another version
    comes.

    :param dataset: (templated) the dataset's absolute path or URL, as the coordinators see it.
    :param made_with: (templated) parameters that the version's job must have had, such as ``{"ds": "{{ ds }}"}``; none: any version will do.
    :param after: (templated) a version that does not count, since it was there before.
    :param quern_conn_id: (templated) the connection.
    :param deferrable: wait in the triggerer, without a worker slot.
    """

    template_fields: Sequence[str] = ("dataset", "made_with", "after", "quern_conn_id")
    template_fields_renderers = {"made_with": "json"}
    ui_color = "#efe3d0"

    def __init__(
        self,
        *,
        dataset: str,
        made_with: Mapping[str, Any] | None = None,
        after: str | None = None,
        quern_conn_id: str = QuernHook.default_conn_name,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset
        self.made_with = made_with or {}
        self.after = after
        self.quern_conn_id = quern_conn_id
        self.deferrable = deferrable

    def _wanted(self) -> dict[str, str]:
        return {name: str(value) for name, value in self.made_with.items()}

    def poke(self, context: Context) -> PokeReturnValue:
        """Look at the latest version."""
        version = QuernHook(self.quern_conn_id).get_conn().dataset(self.dataset)
        if version is None or not fits(version, self._wanted(), self.after):
            self.log.info("dataset %s: %s", self.dataset, f"its latest version is {version['version']}" if version else "no version yet")
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=found(version))

    def execute(self, context: Context) -> Any:
        """Look again and again, here or in the triggerer."""
        if not self.deferrable or self.poke(context).is_done:
            return super().execute(context)
        self.defer(
            trigger=QuernVersionTrigger(self.quern_conn_id, self.dataset, self._wanted(), self.after, self.poke_interval),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout),
        )

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Go on after the trigger: ``event`` is the version."""
        return found(event)


def found(version: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is worth handing on of a version."""
    return {**{key: version[key] for key in ("path", "version", "version_path")}, "rows": version["manifest"].get("rows")}
