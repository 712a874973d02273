"""From an address to the name that a server knows it by."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pave.model.diagnostics import Refused
from pave.model.names import Address
from pave.provider.databases import verifies
from pave.provider.identifiers import LONGEST, identifier, trash_name
from pave.provider.quantities import duration, duration_text, size, size_text

NAMES = st.from_regex(r"[a-z](?:[a-z0-9]|-(?!-)){0,61}[a-z0-9]", fullmatch=True)
ADDRESSES = st.builds(Address, NAMES, NAMES, NAMES)


def test_a_plain_address_stays_readable():
    assert identifier(Address("dev", "orders", "db")) == "dev_orders_db"
    assert identifier(Address("dev", "orders", "db"), "-") == "dev-orders-db"


@given(ADDRESSES, ADDRESSES)
def test_two_addresses_never_share_a_name(one, other):
    assert (identifier(one) == identifier(other)) == (one == other)
    assert len(identifier(one)) <= LONGEST


def test_dashes_do_not_make_two_addresses_one():
    assert identifier(Address("dev", "a-b", "c")) != identifier(Address("dev", "a", "b-c"))


@given(ADDRESSES)
def test_a_trash_name_fits_and_is_nobodys_own(address):
    name = trash_name(address, int(datetime(2026, 11, 23, tzinfo=UTC).timestamp()))
    assert len(name) <= LONGEST
    assert name.startswith("trash_")
    assert name != identifier(address)


def test_amounts_have_units_and_limits():
    assert size("64Mi", "memory", "1Mi", "1Gi") == 64 * 2**20
    assert duration("7d", "max_age", "1s", "365d") == 7 * 86400
    for wrong in ("64", "64 Mi", "64mi", "-1Mi", "2Gi", "1Ki", ""):
        with pytest.raises(Refused, match="memory is"):
            size(wrong, "memory", "1Mi", "1Gi")


@given(st.integers(1, 10**9))
def test_an_amount_read_from_its_text_is_the_same(amount):
    assert duration(duration_text(amount), "x", "0s", "99999d") == amount
    assert size(size_text(amount * 1024), "x", "0Ki", "999999Gi") == amount * 1024


def test_a_password_is_known_by_its_verifier():
    # RFC 7677, section 3: user "user", password "pencil", as PostgreSQL would write it down.
    verifier = (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ=="
        "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )
    assert verifies(verifier, "pencil")
    assert not verifies(verifier, "Pencil")
    assert not verifies("md5abc", "pencil")
