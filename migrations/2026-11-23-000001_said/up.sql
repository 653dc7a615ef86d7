-- A prompt with a secret in it: `prompt` is what is shown, this is what its program is sent, sealed.
-- It goes when its task ends.
ALTER TABLE tasks ADD COLUMN said BYTEA;
