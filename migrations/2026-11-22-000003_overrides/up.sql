-- Answers that are given again by themselves. Without a session: in every session of the owner and
-- agent kind. match_kind says what match_text is: a command, a path, or nothing.
CREATE TABLE overrides (
    id TEXT NOT NULL PRIMARY KEY,
    owner_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    session_id TEXT REFERENCES sessions (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    tool TEXT NOT NULL,
    match_kind TEXT NOT NULL,
    match_text TEXT NOT NULL,
    approved BOOLEAN NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX overrides_match ON overrides (owner_id, kind, tool);
CREATE INDEX overrides_session ON overrides (session_id);
