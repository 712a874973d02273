"""Addresses of one repository are the same however they are written; what is no address of a forge is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pave.model.repository_url import RepositoryUrl, same_repository

ORDERS = (
    "https://git.example.com/acme/orders",
    "https://git.example.com/acme/orders.git",
    "https://git.example.com/acme/orders/",
    "https://dana@git.example.com/acme/orders.git",
    "https://git.example.com:3000/Acme/Orders.git",
    "http://git.example.com/acme/orders",
    "ssh://git@git.example.com/acme/orders.git",
    "ssh://git@git.example.com:2222/acme/orders.git",
    "git@git.example.com:acme/orders.git",
    "git@GIT.example.com:acme/orders",
    "git@git.example.com:/acme/orders.git",
)


@pytest.mark.parametrize("one", ORDERS)
def test_one_repository_has_many_addresses(one: str) -> None:
    assert all(same_repository(one, other) for other in ORDERS)
    assert not same_repository(one, "https://git.example.com/acme/orders2")
    assert not same_repository(one, "https://git.example.org/acme/orders")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/srv/git/acme/orders.git",
        "file:///srv/git/acme/orders",
        "https://git.example.com/",
        "https://git.example.com/orders",
        "https://git.example.com/acme/../orders",
        "https://git.example.com/acme/./orders",
        "https://git.example.com/acme//orders",
        "https://git.example.com/acme/orders%2F..%2Fadmin",
        "https://git.example.com/acme/orders?x=1",
        "https://git.example.com/acme/orders#x",
        "https://git.example.com/acme/or ders",
        "https://git.example.com\\@evil.example.org/acme/orders",
        "ext::sh -c acme/orders",
    ],
)
def test_what_is_no_address_of_a_forge_is_none(text: str) -> None:
    assert RepositoryUrl.read(text) is None
    assert not same_repository(text, text)


def test_the_path_is_kept_as_it_was_written() -> None:
    assert RepositoryUrl.read("https://git.example.com/Acme/shop/Orders.git") == RepositoryUrl(
        "git.example.com", "Acme/shop/Orders"
    )


@given(st.text())
def test_any_text_is_read_or_is_none(text: str) -> None:
    found = RepositoryUrl.read(text)
    assert found is None or ".." not in found.path.split("/")
