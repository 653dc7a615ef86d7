-- A start looks at every sealed value; among all tasks there are few.
CREATE INDEX tasks_said ON tasks (id) WHERE said IS NOT NULL;
