-- What a session's turns took together, as its facts say: figures are summed by the index alone. Null
-- until the facts of an older row were read for it.
ALTER TABLE sessions ADD COLUMN spent_micro_usd BIGINT;
ALTER TABLE sessions ADD COLUMN used_tokens BIGINT;
CREATE INDEX sessions_spent ON sessions (owner_id, archived_at, spent_micro_usd, used_tokens);
