DROP TABLE removed;
