import pytest

import tilewright


@pytest.fixture(scope="session")
def emulated():
    device = tilewright.Device("emulated")
    if not device.available:
        pytest.skip("the emulator needs a C++ compiler with sanitizers")
    return device
