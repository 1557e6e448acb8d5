"""Arrays as text: NumPy does it, and its options hold."""

from __future__ import annotations

import numpy as np

get_printoptions = np.get_printoptions
printoptions = np.printoptions
set_printoptions = np.set_printoptions
array_repr = np.array_repr
array_str = np.array_str
