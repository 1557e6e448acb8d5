"""``ferax.ad_checkpoint``: rematerialisation; what `checkpoint` keeps, and names for it."""

from ferax._src.api.residuals import print_saved_residuals
from ferax._src.control import checkpoint_policies
from ferax._src.control.checkpoint_policies import Offloadable, Recompute, Saveable
from ferax._src.control.remat import checkpoint, checkpoint_name, name_p, remat

__all__ = [
    "Offloadable",
    "Recompute",
    "Saveable",
    "checkpoint",
    "checkpoint_name",
    "checkpoint_policies",
    "name_p",
    "print_saved_residuals",
    "remat",
]
