-- Tries to sign in that failed, by account, name or address. The key says which; a name is hashed.
CREATE TABLE attempts (
    key TEXT NOT NULL PRIMARY KEY,
    failures BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    wait_ms BIGINT NOT NULL
);
CREATE INDEX attempts_age ON attempts (last_at);
