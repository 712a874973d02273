"""From an address to the name that a server knows it by.

Names are readable (`dev/orders/db` is `dev_orders_db`), never collide (a name with dashes in other places, or a
long one, ends in a digest of its address), and never begin with what the servers keep for themselves.
"""

from __future__ import annotations

import hashlib
import secrets

from pave.model.names import Address

LONGEST = 60
TRASH = "trash"


def identifier(address: Address, separator: str = "_", longest: int = LONGEST) -> str:
    """The name of a resource: at most `longest` bytes of a-z, 0-9 and `separator`."""
    text = str(address).replace("/", separator).replace("-", separator)
    if "-" not in str(address) and len(text) <= longest:
        return text
    digest = hashlib.sha256(str(address).encode()).hexdigest()[:8]
    return f"{text[: longest - 9].rstrip(separator)}{separator}{digest}"


def trash_name(address: Address, epoch: int, separator: str = "_", longest: int = LONGEST) -> str:
    """The name under which a removed resource waits: `trash_dev_orders_db_1764000000`."""
    suffix = f"{separator}{epoch}"
    room = longest - len(TRASH) - 1 - len(suffix)
    return f"{TRASH}{separator}{identifier(address, separator, room)}{suffix}"


def password() -> str:
    """A new password: 192 random bits, safe in URLs, shell words and configuration files."""
    return secrets.token_hex(24)
