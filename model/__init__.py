"""The engine room: arrays, tokens and weights.  Knows no file type of the user's and no terminal."""
