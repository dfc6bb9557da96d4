"""What a call from Python costs: a kernel on one element, in microseconds. Run it by hand; it asserts nothing."""

import timeit

import numpy as np

import tilewright


def microseconds(call, number=20_000):
    return min(timeit.repeat(call, number=number, repeat=5)) / number * 1e6


x = np.ones(1, np.float32)
t = tilewright.asarray(x)
soft_cap = tilewright.elementwise.soft_cap
print(f"tensor in, tensor out   {microseconds(lambda: soft_cap(t)):6.2f}")
print(f"NumPy in, NumPy out     {microseconds(lambda: soft_cap(x)):6.2f}")
print(f"NumPy's tanh            {microseconds(lambda: np.tanh(x)):6.2f}")
print(f"asarray(NumPy)          {microseconds(lambda: tilewright.asarray(x)):6.2f}")
print(f"numpy.from_dlpack       {microseconds(lambda: np.from_dlpack(t)):6.2f}")
try:
    import torch
except ImportError:
    print("PyTorch is not installed")
else:
    y = torch.ones(1)
    print(f"PyTorch in and out      {microseconds(lambda: soft_cap(y)):6.2f}")
    print(f"PyTorch's tanh          {microseconds(lambda: torch.tanh(y)):6.2f}")
    if torch.cuda.is_available():
        g = torch.ones(1, device="cuda")
        print(f"PyTorch CUDA in and out {microseconds(lambda: soft_cap(g), 2000):6.2f}")
        print(f"PyTorch CUDA's tanh     {microseconds(lambda: torch.tanh(g), 2000):6.2f}")
