"""The engine room: arrays, tokens and weights.  Knows no file type of the user's and no terminal.

Dims have one letter each, the same in docstrings and einsum: B batch · T queries · S cache slots · D width ·
F ffw · N query heads · K kv heads · G = N/K · H head dim · V vocab · W window · L layers of one scan.
"""
