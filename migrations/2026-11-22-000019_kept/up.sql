-- Sessions of which retention has removed events: the number and the place of the last one.
CREATE TABLE trimmed (
    session_id TEXT NOT NULL PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    owner_id TEXT NOT NULL,
    through_seq BIGINT NOT NULL,
    through_pos BIGINT NOT NULL
);
CREATE INDEX trimmed_pos ON trimmed (through_pos);
CREATE INDEX sessions_deleted ON sessions (archived_at) WHERE archived_at IS NOT NULL;
CREATE INDEX sessions_rest ON sessions (updated_at) WHERE archived_at IS NULL;
CREATE INDEX tasks_counts ON tasks (owner_id, state);
