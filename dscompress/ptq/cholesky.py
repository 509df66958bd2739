"""Cholesky factors of second moments, [groups, K, K], which may be singular: inputs that are never seen, or too few."""

import torch

LEAST = 0.01  # damping added where float32 is not enough


def damped(moment: torch.Tensor, share: float) -> torch.Tensor:
    """H with `share` of its mean diagonal added to the diagonal; 1 is taken for the mean where all is 0."""
    mean = moment.diagonal(dim1=1, dim2=2).mean(1)
    mean = torch.where(mean > 0, mean, 1.0)
    result = moment.clone()
    result.diagonal(dim1=1, dim2=2).add_((share * mean)[:, None])
    return result


def cholesky(moment: torch.Tensor) -> torch.Tensor:
    """C with H = C C^T; where float32 is not enough for it, from a more strongly damped H."""
    share = LEAST
    while True:
        factor, failed = torch.linalg.cholesky_ex(moment)
        if not bool(failed.any()):
            return factor
        moment = damped(moment, share)
        share *= 4
