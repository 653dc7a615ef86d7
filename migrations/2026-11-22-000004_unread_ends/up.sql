CREATE INDEX incarnations_unread ON incarnations (session_id) WHERE exit_report IS NULL;
