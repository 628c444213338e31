"""How much likelier a sample is under another sentence's posterior than under its own.

gap_nm = log q(z_n|x_m) - log q(z_n|x_n), for diagonal Gaussians, without ever
holding an (N, N, Z) array.

Every log density is taken relative to one reference posterior r (the median of each parameter, so
an element of the data). With y = z - mu_r and d_m = mu_m - mu_r,

    log q(z_n|x_m) - log q(z_n|x_r) =
        -1/2 sum_d [ y^2 (1/var_m - 1/var_r) - 2 y d_m / var_m + d_m^2 / var_m + ln(var_m / var_r) ]

is a matrix product. Where all posteriors are identical each coefficient is exactly 0, and so is
each gap, in whatever order a matrix product adds. Where posteriors are narrow or far apart the
terms are large and cancel; there a bound of the round-off says so, and the pairs close enough to
matter are computed again, directly.
"""

import torch
from torch import Tensor

TOLERANCE = 1e-8  # nats: pairs whose round-off may exceed this are computed directly
NEGLIGIBLE = 60.0  # nats: a gap below -60 adds less than 1e-26 to a sum that holds a 1
PAIRS = 1 << 16  # pairs computed directly at a time


class PosteriorGaps:
    """Blocks of the N x N matrix of gaps, in float64, on the device of its inputs.

    Args:
        mu: (N, Z) means.
        logvar: (N, Z) log-variances.
        z: (N, Z) a sample of each posterior.
    """

    def __init__(self, mu: Tensor, logvar: Tensor, z: Tensor) -> None:
        self.mu, self.logvar, self.z = (a.detach().to(torch.float64) for a in (mu, logvar, z))
        self.device = self.mu.device
        reference, centre = _middle(self.logvar), _middle(self.mu)
        ratio = self.logvar - reference  # (N, Z) ln(var_m / var_r)
        # expm1, so that it is exactly 0 for equal variances, whatever exp rounds to
        precision_gap = (-reference).exp() * torch.expm1(-ratio)  # 1/var_m - 1/var_r
        shift = self.mu - centre
        slope = shift * (-self.logvar).exp()  # d_m / var_m
        self.offset = self.z - centre  # y
        self.quadratic = -0.5 * precision_gap
        self.slope = slope
        self.constant = -0.5 * (shift * slope + ratio).sum(1)  # (N,)
        self.constant_size = 0.5 * (shift * slope + ratio.abs()).sum(1)  # (N,)
        self.round_off = (3 * mu.shape[1] + 8) * torch.finfo(torch.float64).eps
        y = self.offset
        self.own = (y * y * self.quadratic + y * slope).sum(1) + self.constant  # (N,)
        size = (y * y * self.quadratic.abs() + (y * slope).abs()).sum(1) + self.constant_size
        self.own_error = self.round_off * size  # (N,)

    def block(self, rows: slice, columns: slice) -> Tensor:
        """(R, C) gap of each sample in ``rows`` under each posterior in ``columns``, nats."""
        y = self.offset[rows]
        quadratic, slope = self.quadratic[columns], self.slope[columns]
        gap = (y * y) @ quadratic.T + y @ slope.T + self.constant[columns]
        gap -= self.own[rows, None]
        self._mend(gap, rows, columns)
        start, stop = max(rows.start, columns.start), min(rows.stop, columns.stop)
        if start < stop:  # the own posterior: 0 by definition
            own = torch.arange(start, stop, device=self.device)
            gap[own - rows.start, own - columns.start] = 0.0
        return gap

    def _mend(self, gap: Tensor, rows: slice, columns: slice) -> None:
        """Compute again, directly, the pairs that cancel and are near enough to count."""
        y, row_error = self.offset[rows].abs(), self.own_error[rows]
        quadratic, slope = self.quadratic[columns].abs(), self.slope[columns].abs()
        constant = self.constant_size[columns]
        reach = y.amax(0)  # (Z,) one bound for the block clears most blocks at once
        worst = row_error.max() + self.round_off * (
            (quadratic @ (reach * reach) + slope @ reach + constant).max()
        )
        if not bool((worst > TOLERANCE) & (gap.max() > -NEGLIGIBLE - worst)):
            return
        size = (y * y) @ quadratic.T + y @ slope.T + constant  # (R, C) sum of absolute terms
        error = row_error[:, None] + self.round_off * size
        pairs = ((error > TOLERANCE) & (gap > -NEGLIGIBLE - error)).nonzero()
        for part in torch.split(pairs, PAIRS):
            n, m = part.unbind(1)
            gap[n, m] = self._direct(n + rows.start, m + columns.start)

    def _direct(self, n: Tensor, m: Tensor) -> Tensor:
        """(K,) gaps of the pairs (n, m) from the squared distances themselves."""
        z = self.z[n]
        near = (z - self.mu[n]).square() * (-self.logvar[n]).exp() + self.logvar[n]
        far = (z - self.mu[m]).square() * (-self.logvar[m]).exp() + self.logvar[m]
        return 0.5 * (near - far).sum(1)


def _middle(parameter: Tensor) -> Tensor:
    """(Z,) lower median of each column.

    Sorted, since ``torch.median`` along a dimension returns unset memory for an expanded tensor
    (torch 2.13), and on CUDA refuses to run where deterministic algorithms are demanded.
    """
    return parameter.contiguous().sort(0).values[(parameter.shape[0] - 1) // 2]
