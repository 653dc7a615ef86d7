ALTER TABLE sessions DROP COLUMN options;
