"""Gradients as tests compare them."""

from torch import Tensor, nn


def gradient_of(parameter: nn.Parameter) -> Tensor | None:
    """The dense gradient of a parameter; None where it has none."""
    gradient = parameter.grad
    return gradient.to_dense() if gradient is not None and gradient.is_sparse else gradient


def gradients_of(parameters: dict[str, nn.Parameter]) -> dict[str, Tensor]:
    """Copies of the dense gradients by name, of the parameters that have one."""
    found = {name: gradient_of(each) for name, each in parameters.items()}
    return {name: gradient.clone() for name, gradient in found.items() if gradient is not None}
