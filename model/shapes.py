"""The letters of the dims, the same in annotations, docstrings and einsum.

B batch · T queries · S cache slots · D width · F ffw · N query heads · K kv heads · G = N/K · H head dim ·
V vocab · W window · L layers of a scan.
"""

from __future__ import annotations

from jaxtyping import Array, Float, Int

Activations = Float[Array, "T D"]
Heads = Float[Array, "T N H"]
KVHeads = Float[Array, "T K H"]
CacheArray = Float[Array, "L K S H"]
Positions = Int[Array, "T"]
SlotPositions = Int[Array, "S"]
Logits = Float[Array, "V"]
