-- API keys: the id stands in the key itself, of the key only its SHA-256 is kept.
CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    hash TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX api_keys_user ON api_keys (user_id, created_at);

-- A ticket stands for a token or for a key, so it no longer refers to a token's row. Nobody misses
-- those of the last minute.
DROP TABLE tickets;
CREATE TABLE tickets (
    hash TEXT NOT NULL PRIMARY KEY,
    sid TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX tickets_sid ON tickets (sid);
CREATE INDEX tickets_expiry ON tickets (expires_at);
