DROP INDEX approvals_counts;
DROP INDEX approvals_resolved;
DROP INDEX tasks_ended;
