"""A workload is read from what Terraform says, refused where it cannot run here, and never shows its secrets."""

import json

import pytest

from pave.model.diagnostics import Refused
from pave.observe.masking import masked
from pave.provider.workload_spec import WorkloadSpec, quantity

CONTAINER = {"name": "web", "image": "", "variables": {"DATABASE_URL": "postgresql://a:p4ssw0rd!@db/x", "MODE": "fast"}}


def config(**parts):
    return {
        "address": "dev/orders/workload",
        "artifact": "sha256:1",
        "containers": json.dumps([{**CONTAINER, **parts.pop("container", {})}]),
        "ports": json.dumps([{"name": "http", "port": 80, "target_port": 8080}]),
        "host": "orders.dev.localhost",
        **parts,
    }


def read(**parts):
    return WorkloadSpec.read(config(**parts))


def test_the_revision_changes_with_what_a_process_can_notice_and_with_nothing_else():
    base = read().revision
    assert read(host="other.localhost", owner="group:default/b").revision == base
    changes = (
        {"artifact": "sha256:2"},
        {"scale": 2},
        {"container": {"variables": {"MODE": "slow"}}},
        {"container": {"args": ["--debug"]}},
        {"container": {"memory": "512Mi"}},
        {"ports": "[]"},
    )
    assert len({base, *(read(**change).revision for change in changes)}) == len(changes) + 1


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"container": {"image": "nginx:1.27"}}, "wants the image nginx:1.27"),
        ({"containers": "[]"}, "has no container"),
        ({"scale": 51}, "cannot run 51 times"),
        ({"container": {"memory": "lots"}}, "'lots' is not an amount"),
        ({"container": {"volumes": [{"target": "/data", "source": "/root"}]}}, "cannot mount /root"),
        ({"container": {"volumes": [{"target": "/data", "source": "dev/billing/data"}]}}, "cannot mount dev/billing"),
        (
            {"container": {"volumes": [{"target": "/data", "source": "dev/orders/data", "path": "../x"}]}},
            r"cannot mount dev/orders/data/\.\./x",
        ),
        ({"container": {"files": [{"target": "../etc/x", "content": ""}]}}, "is not a place in a container"),
    ],
)
def test_what_cannot_run_here_is_refused(parts, says):
    with pytest.raises(Refused, match=says):
        read(**parts)


def test_secrets_are_masked_in_every_form_and_plain_words_are_not():
    secrets = read(container={"variables": {**CONTAINER["variables"], "API_KEY": 'k"1/2+3'}}).secrets
    line = r'p4ssw0rd! p4ssw0rd%21 k"1/2+3 k\"1/2+3 k%221%2F2%2B3 ayIxLzIrMw== fast'
    assert masked(line, secrets) == "••• ••• ••• ••• ••• •••== fast"


def test_no_representation_shows_a_variable():
    assert "p4ssw0rd" not in repr(read())


@pytest.mark.parametrize(
    ("text", "number"), [("", 0), ("512Mi", 512 * 1024**2), ("1.5G", 1.5e9), ("500m", 0.5), ("7", 7)]
)
def test_amounts_are_those_of_kubernetes(text, number):
    assert quantity(text) == number
