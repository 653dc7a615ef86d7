-- A session as a mission: its word, computed with the status and written beside it. Rows of before
-- are reckoned when the database is opened (store/sessions/missions.rs).
ALTER TABLE sessions ADD COLUMN mission TEXT NOT NULL DEFAULT '';
CREATE INDEX sessions_by_mission ON sessions (mission, owner_id, updated_at) WHERE archived_at IS NULL;
CREATE INDEX sessions_by_change ON sessions (owner_id, updated_at, id) WHERE archived_at IS NULL;
CREATE INDEX sessions_all_by_change ON sessions (updated_at, id) WHERE archived_at IS NULL;

-- Where a session comes from, and how: agent, fork.
ALTER TABLE sessions ADD COLUMN parent_id TEXT;
ALTER TABLE sessions ADD COLUMN parent_reason TEXT;
UPDATE sessions SET parent_id = group_id, parent_reason = 'agent' WHERE group_id <> id;
CREATE INDEX sessions_by_parent ON sessions (parent_id) WHERE parent_id IS NOT NULL;

-- The mission that a person's messages without a name go to. chosen: they said so themselves.
CREATE TABLE loaded (
    user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    chosen BOOLEAN NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX loaded_session ON loaded (session_id);
