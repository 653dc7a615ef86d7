-- Places to run that a person has named. `env` are its variables, sealed; their names stand in `options`.
CREATE TABLE workspaces (
    id TEXT NOT NULL PRIMARY KEY,
    owner_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    path TEXT NOT NULL,
    env BYTEA,
    options TEXT NOT NULL,
    init_script TEXT,
    distro TEXT,
    template TEXT,
    status TEXT NOT NULL,
    error_code TEXT,
    error_text TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX workspaces_name ON workspaces (owner_id, name);
CREATE INDEX workspaces_status ON workspaces (status);
-- Where a session works, and the variables that its last process was given from there, sealed: what
-- they were may still stand in its output when they are others.
ALTER TABLE sessions ADD COLUMN workspace_id TEXT;
ALTER TABLE sessions ADD COLUMN workspace_env BYTEA;
CREATE INDEX sessions_workspace ON sessions (workspace_id);
