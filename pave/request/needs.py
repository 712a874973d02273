"""Which rights an intent needs: what would be done, and where. `pave.request.access` says whether it may be.

What a merge to the platform's repository may touch, its paths decide, see `refusal_of_paths`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pave.model.diagnostics import Diagnostic, error
from pave.model.people import Standing
from pave.model.snapshot import Snapshot
from pave.request.access import Denied, decide
from pave.request.intent import (
    AddResource,
    AddResources,
    Advance,
    CheckChange,
    Converge,
    CreateComponent,
    CreateEnvironment,
    DeleteEnvironment,
    Deploy,
    ExtendEnvironment,
    ExtendResource,
    ImportComponent,
    Intent,
    MergeChange,
    Promote,
    ReleasePin,
    RemoveResource,
    RemoveStack,
    RestoreResource,
    Rollback,
    RollbackAll,
    Sleep,
    SleepEnvironment,
    Wake,
    WakeEnvironment,
)
from pave.request.places import PLATFORM_REPOSITORY, Place, of_address, of_component, of_environment, to_make
from pave.request.roles import Verb


@dataclass(frozen=True)
class Need:
    """One right that is needed."""

    verb: Verb
    place: Place


_TO_ENVIRONMENTS: Mapping[type, Verb] = {
    DeleteEnvironment: Verb.DELETE,
    ExtendEnvironment: Verb.CHANGE,
    SleepEnvironment: Verb.DEPLOY,
    WakeEnvironment: Verb.DEPLOY,
}


def needs_of(intent: Intent, snapshot: Snapshot) -> tuple[Need, ...]:
    """Every right that an intent needs; none for what is not known, which nobody may ask for."""
    match intent:
        case CreateComponent() | ImportComponent():
            text = f"component:{intent.name}"
            return (Need(Verb.CREATE, to_make(snapshot, text, intent.owner, intent.environment)),)
        case CreateEnvironment():
            text = f"environment:{intent.name}"
            return (Need(Verb.CREATE, to_make(snapshot, text, intent.owner, intent.inherits)),)
        case DeleteEnvironment() | ExtendEnvironment() | SleepEnvironment() | WakeEnvironment():
            return (Need(_TO_ENVIRONMENTS[type(intent)], of_environment(snapshot, intent.name)),)
        case AddResources():
            return tuple(Need(Verb.CHANGE, of_address(snapshot, one.address)) for one in intent.resources)
        case AddResource() | RestoreResource() | ExtendResource() | RemoveResource():
            verb = Verb.DELETE if isinstance(intent, RemoveResource) else Verb.CHANGE
            return (Need(verb, of_address(snapshot, intent.address)),)
        case RollbackAll():
            return tuple(Need(Verb.DEPLOY, of_address(snapshot, one.stack)) for one in intent.stacks)
        case CheckChange() | MergeChange():
            platform = intent.repository == PLATFORM_REPOSITORY
            verb = Verb.CHANGE if isinstance(intent, MergeChange) and not platform else Verb.PROPOSE
            return (Need(verb, of_component(snapshot, intent.repository)),)
        case Deploy() | Promote() | Rollback() | ReleasePin() | Converge() | Advance() | Sleep() | Wake():
            return (Need(Verb.DEPLOY, of_address(snapshot, intent.stack)),)
        case RemoveStack():
            return (Need(Verb.DELETE, of_address(snapshot, intent.stack)),)
    # Reached only if an intent is added to the union and not here.
    return ()  # type: ignore[unreachable]


def refusal(who: Standing, intent: Intent, snapshot: Snapshot) -> Diagnostic | None:
    """Why `who` may not ask for `intent`, or None."""
    needs = needs_of(intent, snapshot)
    if not needs:
        return error(f"{type(intent).__name__} is not something that can be asked for")
    for need in needs:
        decision = decide(who, need.verb, need.place)
        if isinstance(decision, Denied):
            return decision.diagnostic()
    return None
