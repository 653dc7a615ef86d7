-- What a session was made with beside its program, place and mode: one JSON object.
ALTER TABLE sessions ADD COLUMN options TEXT NOT NULL DEFAULT '{}';
