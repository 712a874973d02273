"""Websites served from their artifacts."""

from __future__ import annotations


def test_a_website_is_served_as_it_is(build, serve):
    artifact = build("site")
    with serve(artifact) as client:
        page = client.get("/")
        assert "Mira's Bakery" in page.text
        assert page.headers["cache-control"] == "no-cache"
        style = client.get("/css/style.css")
        assert style.headers["content-type"] == "text/css"
        assert style.headers["cache-control"] == "public, max-age=3600"
        seen = style.headers["last-modified"]
        assert client.get("/css/style.css", headers={"If-Modified-Since": seen}).status_code == 304


def test_what_is_not_there_or_hidden_gets_the_sites_own_page(build, serve):
    with serve(build("site")) as client:
        for path in (
            "/nothing",
            "/.pave/serve.py",
            "/css/",
            "/../etc/passwd",
            "/%2e%2e/etc/passwd",
            "/css/%2e%2e/.pave/",
        ):
            answer = client.get(path)
            assert answer.status_code == 404, path
            assert "Sold out" in answer.text


def test_only_the_websites_folder_is_served(build, serve):
    with serve(build({"public/index.html": "hello", "secret.txt": "no"})) as client:
        assert client.get("/").text == "hello"
        assert client.get("/secret.txt").status_code == 404
