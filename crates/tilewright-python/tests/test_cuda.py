"""PyTorch on an NVIDIA GPU: memory shared on the device, streams in order, nothing waits on the host."""

import time

import pytest

import tilewright

torch = pytest.importorskip("torch", reason="PyTorch is not installed: CUDA arrays were not tested")
if not torch.cuda.is_available():
    pytest.skip("no CUDA device: CUDA arrays were not tested", allow_module_level=True)


def test_memory_is_shared_both_ways():
    x = torch.arange(12.0, device="cuda").reshape(3, 4).T
    t = tilewright.asarray(x)
    assert t.device.name == "cuda:0" and t.strides == (1, 4)
    back = torch.from_dlpack(t)
    assert back.data_ptr() == x.data_ptr()
    torch.testing.assert_close(back, x)
    assert t.tolist() == x.tolist()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_functions_give_cuda_tensors_back(dtype):
    x = torch.randn(64, 100, device="cuda").to(dtype)
    y = tilewright.elementwise.soft_cap(x, cap=2.0)
    assert y.device == x.device and y.dtype == dtype
    torch.testing.assert_close(y, (2 * torch.tanh(x.double() / 2)).to(dtype))
    y.zero_()
    z = tilewright.elementwise.copy(x.T)
    assert z.data_ptr() != x.data_ptr()
    torch.testing.assert_close(z, x.T.contiguous())


def test_linear_algebra_and_moved_arrays():
    a = torch.randn(4, 50, 20, device="cuda", dtype=torch.float64)
    result = tilewright.kernels.linalg.qr(a)
    torch.testing.assert_close(result.q @ result.r, a)
    host = a.cpu()
    moved = tilewright.kernels.linalg.qr(host, device="cuda:0")
    assert moved.q.device.type == "cpu"
    torch.testing.assert_close(moved.q @ moved.r, host)
    with pytest.raises(ValueError, match="lies on"):
        tilewright.gemm.matmul(a, host)


def test_streams_wait_and_the_host_does_not():
    x = torch.zeros(1 << 20, device="cuda")
    tilewright.elementwise.soft_cap(x)
    torch.cuda.synchronize()
    side = torch.cuda.Stream()
    for stream in (torch.cuda.current_stream(), side):
        with torch.cuda.stream(stream):
            torch.cuda._sleep(1_000_000_000)
            x.fill_(1.5)
            start = time.perf_counter()
            y = tilewright.elementwise.soft_cap(x, cap=1e6)
            z = y + 1
            submitted = time.perf_counter() - start
            assert not stream.query(), "the GPU sleeps still"
            assert submitted < 0.1
            torch.testing.assert_close(z, torch.full_like(z, 2.5))
            x.zero_()
        torch.cuda.synchronize()


def test_memory_is_not_reused_too_early():
    # Freed while queued work still reads it, and asked for again at once, on both sides.
    for i in range(300):
        x = torch.full((1 << 18,), float(i), device="cuda")
        y = tilewright.elementwise.soft_cap(x, cap=1e9)
        del x
        torch.full((1 << 18,), -1.0, device="cuda")
        z = y * 1
        del y
        tilewright.elementwise.soft_cap(torch.full((1 << 18,), -2.0, device="cuda"))
        assert bool((z == i).all()), i


def test_tensors_stay_on_the_device():
    t = tilewright.asarray(torch.randn(8, 8), device="cuda:0")
    y = tilewright.gemm.matmul(t, t)
    assert y.device.name == "cuda:0"
    torch.testing.assert_close(torch.from_dlpack(y), torch.from_dlpack(t) @ torch.from_dlpack(t), rtol=1e-5, atol=1e-5)
    copy = torch.from_dlpack(y.__dlpack__(copy=True))
    copy.zero_()
    assert torch.from_dlpack(y).abs().sum() > 0
    with pytest.raises(ValueError, match="ambiguous"):
        y.__dlpack__(stream=0, max_version=(1, 0))


def test_a_metal_body_on_cuda():
    kernel = tilewright.metal_kernel(
        "myexp", ["inp"], ["out"], "uint i = thread_position_in_grid.x; out[i] = T(metal::exp(float(inp[i])));"
    )
    x = torch.randn(33, 7, device="cuda", dtype=torch.bfloat16)
    (y,) = kernel(
        inputs=[x],
        template=[("T", x.dtype)],
        grid=(x.numel(), 1, 1),
        threadgroup=(256, 1, 1),
        output_shapes=[x.shape],
        output_dtypes=[x.dtype],
    )
    assert y.device == x.device
    torch.testing.assert_close(y, torch.exp(x.float()).bfloat16())


def test_operators_have_gradients_on_the_gpu():
    from tilewright.torch import mlstm_chunkwise, soft_cap

    x = torch.randn(100, device="cuda", requires_grad=True)
    soft_cap(x, 2.0).sum().backward()
    torch.testing.assert_close(x.grad, 1 - torch.tanh(x.detach() / 2) ** 2, rtol=1e-4, atol=1e-5)
    inputs = [torch.randn(1, 2, 70, *rest, requires_grad=True) for rest in ((8,), (8,), (16,), (), ())]
    on_gpu = [each.detach().cuda().requires_grad_() for each in inputs]
    for arrays in (inputs, on_gpu):
        mlstm_chunkwise(*arrays)[0].square().sum().backward()
    for host, device in zip(inputs, on_gpu, strict=True):
        torch.testing.assert_close(device.grad.cpu(), host.grad, rtol=1e-3, atol=1e-3)
