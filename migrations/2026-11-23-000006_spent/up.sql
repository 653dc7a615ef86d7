-- What a session's turns took together, as its facts say: figures are summed by the index alone. Rows of
-- before are reckoned with their mission's word (store/sessions/missions.rs).
ALTER TABLE sessions ADD COLUMN spent_micro_usd BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN used_tokens BIGINT NOT NULL DEFAULT 0;
CREATE INDEX sessions_spent ON sessions (owner_id, spent_micro_usd, used_tokens) WHERE archived_at IS NULL;
