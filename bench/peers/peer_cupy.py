"""CuPy as a peer, on NVIDIA GPUs."""

from array_kernels import kernels
from protocol import Library, serve


def make():
    import cupy

    class CuPy(Library):
        name = f"cupy {cupy.__version__}"
        kernels = kernels(cupy, lambda array: array.dtype in (cupy.float16, cupy.float32, cupy.float64))

        def accepts(self, device):
            if not device.startswith("cuda") or int(device.split(":")[1]) >= cupy.cuda.runtime.getDeviceCount():
                return False
            cupy.cuda.Device(int(device.split(":")[1])).use()
            return True

        def load(self, array, dtype, device):
            return None if dtype == "bf16" else cupy.asarray(array)

        def copy(self, array):
            return array.copy(order="K")

        def store(self, array):
            return cupy.asnumpy(array), None

        def finish(self, outputs):
            cupy.cuda.get_current_stream().synchronize()

        def release(self):
            cupy.get_default_memory_pool().free_all_blocks()

        def start_timer(self):
            event = cupy.cuda.Event()
            event.record()
            return event

        def stop_timer(self, timer):
            event = cupy.cuda.Event()
            event.record()
            event.synchronize()
            return cupy.cuda.get_elapsed_time(timer, event)

    return CuPy()


serve(make)
