-- What a person is signed in with at a provider: sealed, with what it was before as long as a program
-- may still know it.
CREATE TABLE provider_sign_ins (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    provider TEXT NOT NULL,
    method TEXT NOT NULL,
    secret BYTEA,
    expires_at BIGINT,
    failure TEXT,
    changed_at BIGINT NOT NULL,
    UNIQUE (user_id, provider)
);
CREATE INDEX provider_sign_ins_expiry ON provider_sign_ins (expires_at);

-- Sign-ins that somebody began: the id is the SHA-256 of the state, which is good once.
CREATE TABLE provider_states (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    provider TEXT NOT NULL,
    verifier BYTEA,
    expires_at BIGINT NOT NULL
);
CREATE INDEX provider_states_user ON provider_states (user_id);
CREATE INDEX provider_states_expiry ON provider_states (expires_at);
