"""Messages by e-mail, over SMTP (RFC 5321): one delivery, one mail, within a bounded time."""

from __future__ import annotations

import contextlib
import hashlib
import smtplib
import socket
import ssl
import threading
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate
from urllib.parse import unquote, urlsplit

from pave.apply.retry import Transient
from pave.model.diagnostics import Refused, error
from pave.ports import Message

SECONDS = 20.0
"""What one delivery may take."""
_PORTS = {"smtp": 25, "smtps": 465}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Mail:
    """Implements `pave.ports.Courier` over the server at `url`: `smtp://user:password@mail.example.com:587`.

    With `smtp` TLS is begun where the server offers it; a password goes over TLS only, or to this machine.
    """

    def __init__(self, url: str, sender: str, seconds: float = SECONDS) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise Refused(error("smtp_url is no SMTP address", remedy="Write it like smtp://mail.example.com:587."))
        self._scheme, self._host = parts.scheme, parts.hostname
        self._port = parts.port or _PORTS[parts.scheme]
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._sender, self._seconds = sender, seconds

    def problem(self, address: str) -> str:
        """Why nothing may go to an address."""
        name, _, domain = address.rpartition("@")
        wrong = not name or not domain or any(one.isspace() or one in ',;<>\\"' for one in address)
        return f"{address[:80]!r} is no e-mail address" if wrong else ""

    def deliver(self, address: str, messages: Sequence[Message]) -> None:
        """Send one mail."""
        mail = mail_of(self._sender, address, messages)
        try:
            self._send(address, mail)
        except smtplib.SMTPResponseException as problem:
            raise self._refusal(problem.smtp_code, str(problem.smtp_error)) from None
        except smtplib.SMTPRecipientsRefused as problem:
            code, said = next(iter(problem.recipients.values()), (550, b""))
            raise self._refusal(code, said.decode(errors="replace")) from None
        except (OSError, smtplib.SMTPException, ssl.SSLError) as problem:
            summary = f"The mail server {self._host} does not take mail ({type(problem).__name__})"
            raise Transient(error(summary, remedy="It is tried again by itself.")) from None

    def _send(self, address: str, mail: EmailMessage) -> None:
        context = ssl.create_default_context()
        timeout = min(self._seconds, 5.0)
        if self._scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(self._host, self._port, timeout=timeout, context=context)
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=timeout)
        timer = threading.Timer(self._seconds, _cut, (server,))
        timer.start()
        try:
            server.ehlo()
            secure = self._scheme == "smtps"
            if not secure and server.has_extn("starttls"):
                server.starttls(context=context)
                server.ehlo()
                secure = True
            if self._user:
                if not secure and self._host not in _LOOPBACK:
                    raise Refused(
                        error(f"The mail server {self._host} offers no TLS", remedy="Use smtps:// in smtp_url.")
                    )
                server.login(self._user, self._password)
            server.send_message(mail, self._sender, [address])
            with contextlib.suppress(smtplib.SMTPException, OSError):
                server.quit()
        finally:
            timer.cancel()
            server.close()

    def _refusal(self, code: int, said: str) -> Exception:
        summary = f"The mail server {self._host} answered {code}"
        detail = " ".join(said.split())[:200]
        if 400 <= code < 500:
            return Transient(error(summary, detail=detail, remedy="It is tried again by itself."))
        return Refused(error(summary, detail=detail, remedy="Check the address, and smtp_url."))


def mail_of(sender: str, address: str, messages: Sequence[Message]) -> EmailMessage:
    """One mail that says them all."""
    mail = EmailMessage()
    title = messages[0].title if len(messages) == 1 else f"{len(messages)} messages from Pave"
    mail["Subject"] = "".join(one if one.isprintable() else " " for one in title)
    mail["From"], mail["To"] = sender, address
    mail["Date"] = formatdate()
    digest = hashlib.sha256("\0".join(one.key for one in messages).encode()).hexdigest()[:32]
    mail["Message-ID"] = f"<{digest}@{sender.rpartition('@')[2] or 'localhost'}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    mail.set_content("\n\n".join(map(_text, messages)) + "\n")
    return mail


def _text(message: Message) -> str:
    facts = [f"{name}: {value}" for name, value in (*message.facts.items(), *message.links.items())]
    return "\n".join([f"[{message.severity}] {message.title}", "", message.text, "", *facts]).strip()


def _cut(server: smtplib.SMTP) -> None:
    if server.sock is not None:
        with contextlib.suppress(OSError):
            server.sock.shutdown(socket.SHUT_RDWR)
