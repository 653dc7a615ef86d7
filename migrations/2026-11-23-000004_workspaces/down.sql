DROP INDEX sessions_workspace;
ALTER TABLE sessions DROP COLUMN workspace_env;
ALTER TABLE sessions DROP COLUMN workspace_id;
DROP TABLE workspaces;
