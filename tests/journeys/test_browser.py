"""The portal in a real browser: signed in by the link it shows what runs, lives, and fits; without it, nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from platform_for_tests import Platform
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
QUIET = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-sync"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    made = Platform(tmp_path_factory.mktemp("portal") / "data").up()
    made.done("POST", "/resources", {"component": "ledger", "name": "db", "type": "postgres"})
    yield made
    made.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET.split())
        yield started
        started.close()


def login_link(platform: Platform) -> str:
    assert platform.client is not None
    return str(platform.client.post("/api/v1/login-links").json()["url"])


def signed_in(browser: Browser, platform: Platform, **context: object) -> Page:
    page = browser.new_context(**context).new_page()
    page.goto(login_link(platform))
    page.goto(platform.client.base_url.join("/").__str__())
    return page


def test_the_page_shows_what_runs_and_no_secret(browser: Browser, platform: Platform) -> None:
    page = signed_in(browser, platform)
    page.get_by_text("ledger").first.wait_for()
    assert page.get_by_text("postgres").first.is_visible()
    assert str(platform.credentials("dev/ledger/db")["password"]) not in page.content()


def test_a_change_appears_without_a_reload(browser: Browser, platform: Platform) -> None:
    page = signed_in(browser, platform)
    page.get_by_text("ledger").first.wait_for()
    platform.done("POST", "/resources", {"component": "invoices", "name": "jobs", "type": "queue"})
    page.get_by_text("invoices").first.wait_for(timeout=10_000)


def test_a_login_link_works_once_and_nobody_else_sees_anything(browser: Browser, platform: Platform) -> None:
    link = login_link(platform)
    first, second = (browser.new_context().new_page() for _ in range(2))
    assert first.goto(link).status == 200
    assert second.goto(link).status == 401
    second.goto(platform.client.base_url.join("/").__str__())
    assert "ledger" not in second.content()


@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_and_says_nothing_wrong(
    browser: Browser, platform: Platform, size: tuple[int, int], scheme: str
) -> None:
    said: list[str] = []
    page = signed_in(browser, platform, viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    page.on("console", lambda message: said.append(message.text))
    page.reload()
    page.get_by_text("ledger").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert said == []
