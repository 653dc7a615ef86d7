-- What is over of each session by when it ended, for retention; and questions by whose they are.
CREATE INDEX tasks_ended ON tasks (session_id, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX approvals_resolved ON approvals (session_id, resolved_at)
    WHERE resolved_at IS NOT NULL;
CREATE INDEX approvals_counts ON approvals (owner_id, state);
