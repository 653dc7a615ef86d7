DROP INDEX tasks_said;
