"""Pave's alerts in an Alertmanager: what fires now, again and again, as its clients do (API v2).

An alert is sent with an end a few minutes ahead, so that it ends there by itself if Pave is gone; one that is over is
sent once more with its end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from pave.adapters.notify.post import post
from pave.model.diagnostics import Refused, error
from pave.observe.alert_state import Instance

_AHEAD = timedelta(minutes=5)
_LABEL = re.compile(r"[^a-zA-Z0-9_]")


class Alertmanager:
    """Implements `pave.ports.AlertMirror`; `link` is where people find this platform."""

    def __init__(self, url: str, link: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Refused(error("alertmanager_url is no http address", remedy="Write http://127.0.0.1:9093."))
        self._url, self._link = url.rstrip("/"), link

    def show(self, alerts: Sequence[Instance], now: datetime) -> None:
        """Send them all."""
        if not alerts:
            return
        body = json.dumps([self._plain(one, now) for one in alerts]).encode()
        post(f"{self._url}/api/v2/alerts", {}, body)

    def _plain(self, one: Instance, now: datetime) -> dict[str, object]:
        stack = one.stack
        place = {"environment": stack.environment, "component": stack.component} if stack else {"rule": one.subject}
        given = one.context.get("rule_labels")
        labels = {**(given if isinstance(given, dict) else {}), **one.labels, **place}
        labels |= {"alertname": one.rule, "severity": one.severity, "pave_alert": one.fingerprint}
        ends = now + _AHEAD if one.on else one.resolved_at or now
        return {
            "labels": {_LABEL.sub("_", key): str(value) for key, value in labels.items() if str(value)},
            "annotations": {
                key: value
                for key, value in {
                    "summary": one.title,
                    "description": one.message,
                    "runbook_url": str(one.context.get("runbook", "")),
                }.items()
                if value
            },
            "startsAt": (one.fired_at or now).isoformat(),
            "endsAt": ends.isoformat(),
            **({"generatorURL": self._link} if self._link else {}),
        }
