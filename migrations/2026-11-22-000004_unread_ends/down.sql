DROP INDEX incarnations_unread;
