-- What a person is signed in with at a provider of models. `secret` is sealed; `failure` is why it does
-- not do any more.
CREATE TABLE provider_sign_ins (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    provider TEXT NOT NULL,
    method TEXT NOT NULL,
    secret BYTEA,
    expires_at BIGINT,
    failure TEXT,
    changed_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX provider_sign_ins_owner ON provider_sign_ins (user_id, provider);
