"""A search space: choices, and which combinations of them are valid."""

import numpy as np

import optiproxy as op


class Strided(op.spaces.Chain):
    """A stride of 2 needs a kernel of 3 or more, so that every pixel is read."""

    def valid(self, indices):  # (B, C) option numbers → (B,)
        kernel = np.array(self.choices["kernel"])[indices[:, self.names.index("kernel")]]
        stride = np.array(self.choices["stride"])[indices[:, self.names.index("stride")]]
        return (stride == 1) | (kernel >= 3)
