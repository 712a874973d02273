"""The tables of the control plane.

Runs, plans, state and events are records of their own. Stacks, resources and the catalog are a
projection: wipe them and they are made again from Git and the engine's state.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_now = text("now()")
_time = DateTime(timezone=True)

# The authority on work: the queue may lose a job, a run is never lost.
runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("stacks", JSONB, nullable=False, server_default="[]"),
    Column("state", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("door", Text, nullable=False),
    Column("intent", JSONB, nullable=False),
    Column("key", Text),  # idempotency key, unique per actor
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("not_before", _time),  # waiting until
    Column("epoch", Integer, nullable=False, server_default="0"),  # fencing: raised at each claim
    Column("holder", Text),
    Column("lease_until", _time),
    Column("cancel_asked", Boolean, nullable=False, server_default=text("false")),
    Column("verdict", JSONB),
    Column("error", JSONB),
    Column("result", JSONB, nullable=False, server_default="{}"),
    Column("created_at", _time, nullable=False, server_default=_now),
    Column("started_at", _time),
    Column("finished_at", _time),
    Column("owner", Text, nullable=False, server_default=""),  # the team that waits for it
    UniqueConstraint("actor", "key"),
    Index("ix_runs_subject_created", "subject", "created_at"),
    Index("ix_runs_open", "state", postgresql_where=text("finished_at IS NULL")),
)

# The journal: what a run did, step by step; a step that is done is never done again.
steps = Table(
    "steps",
    metadata,
    Column("run", Text, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("subject", Text, primary_key=True, server_default=""),
    Column("position", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("detail", Text, nullable=False, server_default=""),
    Column("output", JSONB, nullable=False, server_default="{}"),
    Column("started_at", _time),
    Column("finished_at", _time),
)

# What would change, bound to what it was made from; the engine's own plan is sealed.
plans = Table(
    "plans",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("run", Text, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("stack", Text, nullable=False),
    Column("plan", JSONB, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", _time, nullable=False, server_default=_now),
)

# What was last applied to each stack, and how it is.
stacks = Table(
    "stacks",
    metadata,
    Column("address", Text, primary_key=True),
    Column("environment", Text, nullable=False, index=True),
    Column("component", Text, nullable=False, index=True),
    Column("owner", Text, nullable=False, server_default=""),
    Column("phase", Text, nullable=False),
    Column("inputs", Text, nullable=False, server_default=""),  # change detector of what was applied
    Column("failed_inputs", Text, nullable=False, server_default=""),  # not tried again by itself
    Column("repository", Text, nullable=False, server_default=""),
    Column("commit", Text, nullable=False, server_default=""),
    Column("artifact", Text, nullable=False, server_default=""),
    Column("health", Text, nullable=False, server_default="unknown"),
    Column("reason", Text, nullable=False, server_default=""),
    Column("error", JSONB),
    Column("urls", JSONB, nullable=False, server_default="{}"),
    Column("run", Text),
    Column("applied_at", _time),
    Column("checked_at", _time),
)

# The resources of each stack as last applied; no secret is ever here.
resources = Table(
    "resources",
    metadata,
    Column("address", Text, primary_key=True),
    Column("stack", Text, nullable=False, index=True),
    Column("type", Text, nullable=False),
    Column("module", Text, nullable=False),
    Column("module_version", Text, nullable=False),
    Column("stateful", Boolean, nullable=False),
    Column("inputs", JSONB, nullable=False, server_default="{}"),
    Column("outputs", JSONB, nullable=False, server_default="{}"),
    Column("applied_at", _time, nullable=False, server_default=_now),
)

# Artifacts by what they were built from: the same commit is not built twice.
builds = Table(
    "builds",
    metadata,
    Column("repository", Text, primary_key=True),
    Column("commit", Text, primary_key=True),
    Column("artifact", Text, nullable=False),
    Column("built_at", _time, nullable=False, server_default=_now),
)

# Everything that happened, in order; doors follow it.
events = Table(
    "events",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", _time, nullable=False, server_default=_now),
    Column("type", Text, nullable=False),
    Column("subject", Text, nullable=False, index=True),
    Column("run", Text, index=True),
    Column("actor", Text, nullable=False, server_default=""),
    Column("data", JSONB, nullable=False, server_default="{}"),
)

# Branches that want to be merged, numbered in their repository.
change_requests = Table(
    "change_requests",
    metadata,
    Column("repository", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("branch", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("head", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    Column("auto", Boolean, nullable=False, server_default=text("false")),
    Column("run", Text, nullable=False, server_default=""),
    Column("environment", Text, nullable=False, server_default=""),
    Column("merged", Text, nullable=False, server_default=""),
    Column("merged_by", Text, nullable=False, server_default=""),
    Column("forge", Text, nullable=False, server_default=""),
    Column("created_at", _time, nullable=False, server_default=_now),
    Column("updated_at", _time, nullable=False, server_default=_now),
    Column("closed_at", _time),
    Index("ix_change_requests_created_at", "created_at"),
    Index("uq_change_requests_open", "repository", "branch", unique=True, postgresql_where=text("state = 'open'")),
)

# What people said about them.
comments = Table(
    "comments",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("repository", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("author", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("at", _time, nullable=False, server_default=_now),
    Index("ix_comments_repository_number", "repository", "number"),
)

# The heads of branches that were acted on.
heads = Table(
    "heads",
    metadata,
    Column("repository", Text, primary_key=True),
    Column("branch", Text, primary_key=True),
    Column("commit", Text, nullable=False),
    Column("seen_at", _time, nullable=False, server_default=_now),
)

# What is known of commits: the newest result of each check.
checks = Table(
    "checks",
    metadata,
    Column("repository", Text, primary_key=True),
    Column("commit", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("result", JSONB, nullable=False),
    Column("run", Text, nullable=False, server_default=""),
    Column("checked_at", _time, nullable=False, server_default=_now),
)

# What artifacts consist of and where they come from; both as the bytes that were made, compressed.
attestations = Table(
    "attestations",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("materials", LargeBinary, nullable=False, server_default=text("''::bytea")),
    Column("envelope", LargeBinary, nullable=False, server_default=text("''::bytea")),
    Column("attested_at", _time, nullable=False, server_default=_now),
)

# The one record of delivery: from commit to recovery.
deliveries = Table(
    "deliveries",
    metadata,
    Column("run", Text, primary_key=True),
    Column("stack", Text, primary_key=True),
    Column("environment", Text, nullable=False),
    Column("component", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("repository", Text, nullable=False, server_default=""),
    Column("commit", Text, nullable=False, server_default="", index=True),
    Column("artifact", Text, nullable=False, server_default=""),
    Column("change", Text, nullable=False, server_default=""),
    Column("actor", Text, nullable=False, server_default=""),
    Column("source", Text, nullable=False, server_default=""),
    Column("outcome", Text, nullable=False, server_default="open"),
    Column("reason", Text, nullable=False, server_default=""),
    Column("recovers", Text, nullable=False, server_default=""),
    Column("committed_at", _time),
    Column("asked_at", _time),
    Column("checked_at", _time),
    Column("built_at", _time),
    Column("recorded_at", _time),
    Column("live_at", _time),
    Column("failed_at", _time),
    Column("recovered_at", _time),
    Column("created_at", _time, nullable=False, server_default=_now),
    Index("ix_deliveries_stack_created", "stack", "created_at"),
    Index("ix_deliveries_environment_created", "environment", "created_at"),
)

# Questions to people, and their answers: one a run and digest.
approvals = Table(
    "approvals",
    metadata,
    Column("id", Text, primary_key=True),
    Column("run", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("requester", Text, nullable=False),
    Column("approvers", JSONB, nullable=False),
    Column("findings", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("asked_at", _time, nullable=False, index=True),
    Column("expires_at", _time, nullable=False),
    Column("decided_by", Text),
    Column("decided_at", _time),
    Column("reason", Text, nullable=False, server_default=""),
    UniqueConstraint("run", "digest"),
)

# What was judged in the last 30 days, with what it was about: rules that are to be changed are tried on it.
judgements = Table(
    "judgements",
    metadata,
    Column("run", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("stage", Text, primary_key=True),
    Column("verdict", JSONB, nullable=False),
    Column("subjects", JSONB, nullable=False),
    Column("at", _time, nullable=False, index=True),
)

# Bearer tokens, one-time login links and sessions: only the SHA-256 of each is kept.
credentials = Table(
    "credentials",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("kind", Text, nullable=False),  # token | link | session
    Column("actor", Text, nullable=False),
    Column("scopes", JSONB, nullable=False, server_default="[]"),
    Column("created_at", _time, nullable=False, server_default=_now),
    Column("expires_at", _time, nullable=False),
    Column("used_at", _time),
)

# The engine's state of each stack, sealed; the newest 50 versions are kept.
terraform_states = Table(
    "terraform_states",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("stack", Text, nullable=False),
    Column("serial", BigInteger, nullable=False),
    Column("resources", Integer, nullable=False),  # how many there are, to refuse forgetting them
    Column("size", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", _time, nullable=False, server_default=_now),
    Index("ix_terraform_states_stack_id", "stack", "id"),
)

# Who may write a stack's state; a lease, so that a dead holder is in nobody's way.
terraform_locks = Table(
    "terraform_locks",
    metadata,
    Column("stack", Text, primary_key=True),
    Column("lock", Text, nullable=False),
    Column("info", JSONB, nullable=False, server_default="{}"),
    Column("holder", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("lease_until", _time, nullable=False),
)

# The catalog: every entity with its owner and the origin of each of its fields. A projection of Git.
entities = Table(
    "entities",
    metadata,
    Column("ref", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("namespace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("owner", Text),  # at the end of the fall-back chain
    Column("type", Text),
    Column("lifecycle", Text),
    Column("system", Text),
    Column("tags", ARRAY(Text), nullable=False, server_default="{}"),
    Column(
        "words", Text, nullable=False
    ),  # parts of names, tags, owner: what is searched besides title and description
    Column("document", JSONB, nullable=False),
    Column("fields", JSONB, nullable=False),  # field → repository, path, commit, line, observed_at
    Column("digest", Text, nullable=False),  # of everything that the sources say: equal means nothing to write
    Column("changed_at", _time, nullable=False, server_default=_now),
    Column(
        "search",
        TSVECTOR,
        Computed(
            "setweight(to_tsvector('simple', title), 'A') || setweight(to_tsvector('simple', words), 'B')"
            " || setweight(to_tsvector('simple', description), 'C')",
            persisted=True,
        ),
    ),
    Index("ix_entities_search", "search", postgresql_using="gin"),
    Index("ix_entities_name_ref", "name", "ref"),
    Index("ix_entities_owner", "owner"),
    Index("ix_entities_system", "system"),
)

# Both directions of every relation, each with the entity whose document says so.
relations = Table(
    "relations",
    metadata,
    Column("declared_by", Text, ForeignKey("entities.ref", ondelete="CASCADE"), primary_key=True),
    Column("source", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("target", Text, primary_key=True),
    Index("ix_relations_source_type", "source", "type"),
)

# What the outside forges told, each delivery once. It is remembered for a month, so that a replay does nothing.
letters = Table(
    "letters",
    metadata,
    Column("id", Text, primary_key=True),  # forge/delivery
    Column("twin", Text, unique=True),  # a digest, where the same words are never said twice
    Column("repository", Text, nullable=False),
    Column("event", JSONB, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("problem", Text, nullable=False, server_default=""),
    Column("received_at", _time, nullable=False, server_default=_now),
    Column("due_at", _time, nullable=False, server_default=_now),
    Column("handled_at", _time),
    Index("ix_letters_due_at", "due_at", postgresql_where=text("handled_at IS NULL")),
)

# What the forges are to show beside commits: the newest word of each context.
notes = Table(
    "notes",
    metadata,
    Column("repository", Text, primary_key=True),
    Column("commit", Text, primary_key=True),
    Column("context", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("link", Text, nullable=False),
    Column("run", Text, nullable=False, server_default=""),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("problem", Text, nullable=False, server_default=""),
    Column("updated_at", _time, nullable=False, server_default=_now),
    Column("due_at", _time, nullable=False, server_default=_now),
    Column("told_at", _time),
    Index("ix_notes_due_at", "due_at", postgresql_where=text("told_at IS NULL")),
)

# Up to which event somebody has read.
marks = Table(
    "marks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("event", BigInteger, nullable=False),
)
