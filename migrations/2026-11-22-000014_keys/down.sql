DROP TABLE tickets;
CREATE TABLE tickets (
    hash TEXT NOT NULL PRIMARY KEY,
    sid TEXT NOT NULL REFERENCES tokens (sid) ON DELETE CASCADE,
    expires_at BIGINT NOT NULL
);
CREATE INDEX tickets_sid ON tickets (sid);
CREATE INDEX tickets_expiry ON tickets (expires_at);
DROP TABLE api_keys;
