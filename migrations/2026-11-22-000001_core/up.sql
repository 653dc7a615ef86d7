-- The core tables. Vocabulary that SQLite and PostgreSQL share: ids TEXT, times BIGINT (ms since
-- the epoch, UTC), JSON TEXT, words TEXT, counters BIGINT, BOOLEAN, bytes BYTEA.

CREATE TABLE meta (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- username_key and email_key are the lower-case forms that sign-in looks up.
CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    username TEXT NOT NULL,
    username_key TEXT NOT NULL UNIQUE,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    disabled BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE tokens (
    sid TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX tokens_user ON tokens (user_id);
CREATE INDEX tokens_expiry ON tokens (expires_at);

CREATE TABLE tickets (
    hash TEXT NOT NULL PRIMARY KEY,
    sid TEXT NOT NULL REFERENCES tokens (sid) ON DELETE CASCADE,
    expires_at BIGINT NOT NULL
);
CREATE INDEX tickets_sid ON tickets (sid);
CREATE INDEX tickets_expiry ON tickets (expires_at);

CREATE TABLE idempotency (
    owner_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    digest TEXT NOT NULL,
    reply TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (owner_id, key)
);
CREATE INDEX idempotency_age ON idempotency (created_at);

CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    owner_id TEXT NOT NULL REFERENCES users (id),
    group_id TEXT NOT NULL,
    name TEXT,
    kind TEXT NOT NULL,
    cwd TEXT NOT NULL,
    model TEXT,
    permission_mode TEXT NOT NULL,
    scenario TEXT,
    topic TEXT,
    metadata TEXT NOT NULL,
    env BYTEA,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    archived_at BIGINT,
    status TEXT NOT NULL,
    facts TEXT NOT NULL
);
CREATE UNIQUE INDEX sessions_name ON sessions (owner_id, name) WHERE archived_at IS NULL;
CREATE INDEX sessions_by_owner ON sessions (owner_id, created_at, id) WHERE archived_at IS NULL;
CREATE INDEX sessions_by_age ON sessions (created_at, id) WHERE archived_at IS NULL;
CREATE INDEX sessions_by_group ON sessions (group_id, created_at);
CREATE INDEX sessions_by_status ON sessions (status);

CREATE TABLE tasks (
    id TEXT NOT NULL PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    owner_id TEXT NOT NULL REFERENCES users (id),
    ord BIGINT NOT NULL,
    state TEXT NOT NULL,
    prompt TEXT NOT NULL,
    on_uncertain TEXT NOT NULL,
    metadata TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    incarnation BIGINT,
    reason TEXT,
    text TEXT,
    usage TEXT,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    ended_at BIGINT
);
CREATE INDEX tasks_order ON tasks (session_id, ord);
CREATE INDEX tasks_open ON tasks (session_id, state, ord) WHERE ended_at IS NULL;

CREATE TABLE incarnations (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    nonce TEXT NOT NULL,
    log_offset BIGINT NOT NULL,
    snapshot TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    exit_report TEXT,
    PRIMARY KEY (session_id, number)
);

-- No foreign keys here: the journal checks the session once a batch instead of once a row.
CREATE TABLE events (
    agent_id TEXT NOT NULL,
    seq BIGINT NOT NULL,
    pos BIGINT NOT NULL UNIQUE,
    owner_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    at BIGINT NOT NULL,
    incarnation BIGINT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (agent_id, seq)
);

CREATE TABLE approvals (
    id TEXT NOT NULL PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    owner_id TEXT NOT NULL REFERENCES users (id),
    incarnation BIGINT NOT NULL,
    kind TEXT NOT NULL,
    request TEXT NOT NULL,
    task_id TEXT,
    tool TEXT NOT NULL,
    args TEXT NOT NULL,
    summary TEXT NOT NULL,
    question TEXT NOT NULL,
    options TEXT NOT NULL,
    risk TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    resolved_at BIGINT,
    resolved_by TEXT,
    response TEXT
);
CREATE INDEX approvals_pending ON approvals (created_at, id) WHERE resolved_at IS NULL;
CREATE INDEX approvals_session ON approvals (session_id, created_at);

CREATE TABLE supervisor_log (
    id BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    path TEXT NOT NULL,
    generation BIGINT NOT NULL,
    incarnation BIGINT NOT NULL,
    event TEXT NOT NULL,
    reason TEXT NOT NULL,
    decision TEXT NOT NULL,
    next_at BIGINT,
    session_id TEXT,
    count BIGINT NOT NULL
);
CREATE INDEX supervisor_log_path ON supervisor_log (path, id);
