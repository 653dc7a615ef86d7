-- A deleted person stays as a row without a name to sign in with: sessions and events name its id.
ALTER TABLE users ADD COLUMN deleted_at BIGINT;
-- Invitations to register. code_hash is the SHA-256 of what the guest was given.
CREATE TABLE invites (
    id TEXT NOT NULL PRIMARY KEY,
    code_hash TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    created_by TEXT NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_by TEXT REFERENCES users (id),
    used_at BIGINT
);
CREATE INDEX invites_expiry ON invites (expires_at);
