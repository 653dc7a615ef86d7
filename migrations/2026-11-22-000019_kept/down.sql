DROP INDEX tasks_counts;
DROP INDEX sessions_rest;
DROP INDEX sessions_deleted;
DROP TABLE trimmed;
