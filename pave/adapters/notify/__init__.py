"""Couriers: Slack-compatible webhooks, signed webhooks, e-mail; and the Alertmanager that shows the same alerts."""

from pave.adapters.notify.addresses import Addresses
from pave.adapters.notify.alertmanager import Alertmanager
from pave.adapters.notify.mail import Mail
from pave.adapters.notify.slack import Slack
from pave.adapters.notify.webhook import Webhook

__all__ = ["Addresses", "Alertmanager", "Mail", "Slack", "Webhook"]
