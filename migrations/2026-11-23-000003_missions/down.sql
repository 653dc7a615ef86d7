DROP TABLE loaded;
DROP INDEX sessions_by_parent;
ALTER TABLE sessions DROP COLUMN parent_reason;
ALTER TABLE sessions DROP COLUMN parent_id;
DROP INDEX sessions_all_by_change;
DROP INDEX sessions_by_change;
DROP INDEX sessions_by_mission;
ALTER TABLE sessions DROP COLUMN mission;
