"""Who vouches for a commit: its own signature, or, where Pave made it by merging, those of what it merged.

A merge commit of Pave's has no signature and needs none: it adds nothing of its own. It counts as signed when the
head of the change request is, and what it was merged into is too. That Pave made it says the run that its trailer
names, which has the commit's id on record; a trailer alone says nothing, because anybody can write one.
"""

from __future__ import annotations

from pave.engine.world import World
from pave.model.signing import signers
from pave.ports import Commit
from pave.request.intent import MergeChange
from pave.verdict.evidence import Signature, SignatureState

_MOST_MERGES = 200


def signature_of(world: World, repository: str, commit: str) -> Signature:
    """What a commit's signature is worth by the keys that the catalog has now. Raises `Unknown`."""
    keys = signers(world.snapshots.current().entities)
    vouching: list[str] = []
    at = commit
    for _ in range(_MOST_MERGES):
        found = world.repositories.signature(repository, at, keys)
        said = world.repositories.resolve(repository, at)
        merge = _merged_by(world, repository, said) if found.state is SignatureState.UNSIGNED else None
        if merge is None:
            return _summed_up(found, at, vouching)
        head = world.repositories.signature(repository, merge.commit, keys)
        if not head.ok:
            reason = f"Pave's merge of {repository}/{merge.number}, whose head {merge.commit[:7]} is {head.reason}"
            return Signature(head.state, head.signer, head.key, reason)
        vouching.append(head.signer)
        at = said.parents[0]
    return Signature(SignatureState.NOT_CHECKED, reason=f"more than {_MOST_MERGES} merges since the last signed commit")


def _summed_up(found: Signature, at: str, vouching: list[str]) -> Signature:
    """The signature of `at` and of everything that Pave merged into it since."""
    if not vouching:
        return found
    if not found.ok:
        reason = f"Pave's merge into {at[:7]}, which is {found.reason}"
        return Signature(found.state, found.signer, found.key, reason)
    people = list(dict.fromkeys([*vouching, found.signer]))
    shown = " and ".join(one.replace(":default/", ":") for one in people)
    return Signature(found.state, people[0], found.key, f"merged by Pave from what {shown} signed")


def _merged_by(world: World, repository: str, commit: Commit) -> MergeChange | None:
    """The merge that made this very commit here; None for any other, whatever its trailers say."""
    run = world.runs.get(commit.trailers.get("Pave-Change", "")) if len(commit.parents) == 2 else None
    intent = run.request.intent if run else None
    if run is None or not isinstance(intent, MergeChange) or intent.repository != repository:
        return None
    made = {str(step.output.get("merged", "")) for step in world.runs.steps(run.id) if step.name == "source"}
    return intent if commit.id in made and intent.commit == commit.parents[1] else None
