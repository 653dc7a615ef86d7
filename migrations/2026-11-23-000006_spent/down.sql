DROP INDEX sessions_spent;
ALTER TABLE sessions DROP COLUMN used_tokens;
ALTER TABLE sessions DROP COLUMN spent_micro_usd;
