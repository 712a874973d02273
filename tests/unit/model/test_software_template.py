"""Software templates: read as they are, refused at import for actions that Pave lacks."""

from __future__ import annotations

import pytest

from pave.model.diagnostics import Refused, Source
from pave.model.software_template import read_template, refusal, unsupported_actions
from pave.model.substitution import nothing

TEMPLATE = """\
apiVersion: scaffolder.backstage.io/v1beta3
kind: Template
metadata: {name: service, title: A service, tags: [python]}
spec:
  owner: backstage/maintainers
  type: service
  parameters:
    - title: Name
      required: [name]
      properties:
        name: {type: string, ui:field: EntityNamePicker}
  steps:
    - action: fetch:template
      input: {url: ./skeleton, values: {name: "${{ parameters.name }}"}}
    - {id: publish, action: publish:bitbucketCloud, if: "${{ parameters.name !== 'x' }}"}
    - {id: each, action: debug:log, each: ["a", "b"]}
  output:
    links: [{title: Repository, url: "${{ steps.publish.output.remoteUrl }}"}]
"""


def read(text: str, include=nothing):
    return read_template(text.encode(), "templates/service/template.yaml", "templates/service", "abc", include)


def test_pages_steps_and_output_are_kept() -> None:
    template = read(TEMPLATE)
    assert (template.title, template.type, template.path, template.version) == (
        "A service",
        "service",
        "templates/service",
        "abc",
    )
    assert [one.id for one in template.steps] == ["step-1", "publish", "each"]
    assert template.steps[0].condition is True
    assert template.steps[1].condition == "${{ parameters.name !== 'x' }}"
    assert template.steps[2].each == ["a", "b"]
    assert template.pages[0]["required"] == ["name"]
    assert template.tags == ("python",)
    assert refusal(template, Source("x")) is None


def test_the_smallest_template_has_no_title_and_no_parameters() -> None:
    template = read(
        "apiVersion: scaffolder.backstage.io/v1beta3\nkind: Template\nmetadata: {name: tiny}\n"
        "spec: {type: service, steps: [{action: 'debug:wait', input: {seconds: 10}}]}\n"
    )
    assert (template.title, template.pages, template.owner) == ("tiny", (), None)


def test_a_template_is_refused_at_import_with_all_the_actions_that_lack() -> None:
    text = TEMPLATE.replace("debug:log", "http:backstage:request").replace("fetch:template", "fetch:cookiecutter")
    template = read(text)
    assert unsupported_actions(template) == ("fetch:cookiecutter", "http:backstage:request")
    problem = refusal(template, Source("t.yaml", 1))
    assert problem is not None
    assert "fetch:cookiecutter, http:backstage:request" in problem.summary


def test_pages_and_steps_may_lie_in_other_files() -> None:
    head, _, _ = TEMPLATE.partition("  parameters:")
    text = head + "  parameters: [{$yaml: ./page.yaml}]\n  steps: {$yaml: ./steps.yaml}\n"
    files = {"templates/service/page.yaml": b"title: Page\n", "templates/service/steps.yaml": b"- action: debug:log\n"}
    template = read(text, files.get)
    assert template.pages == ({"title": "Page"},)
    assert [one.action for one in template.steps] == ["debug:log"]
    with pytest.raises(Refused, match=r"./steps.yaml, ./page.yaml could not be read"):
        read(text)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  type: service\n", "", "'type' is missing"),
        ("action: fetch:template", "acton: x", "'action' is missing"),
        ("kind: Template", "kind: Templat", "Did you mean 'Template'"),
        ("v1beta3", "v1beta2", "v1beta2 is not supported"),
    ],
)
def test_a_wrong_template_is_refused(old: str, new: str, said: str) -> None:
    with pytest.raises(Refused) as caught:
        read(TEMPLATE.replace(old, new, 1))
    assert said in str(caught.value)
    assert caught.value.diagnostics[0].source.line > 0
