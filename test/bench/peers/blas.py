"""The library that multiplies PyTorch's matrices. Import it before torch.

Debian's PyTorch uses whichever `libblas.so.3` is installed. Its package installs the reference BLAS,
which has no vector instructions: a GRU trains about thirty times slower than with OpenBLAS. The
threads of OpenBLAS's pthread build compete with PyTorch's OpenMP threads, and two of them are slower
still. Neither would be a fair comparison.
"""
import ctypes
import os
import re

# OpenBLAS reads these when it is loaded; set for another program, they would slow it down
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)
if os.environ.get("ATEN_CPU_CAPABILITY") == "avx2":
    os.environ["OPENBLAS_CORETYPE"] = "Haswell"

OPENMP = 2


def fast_blas(torch):
    """Name and version of the library. Exits with the reason if it is one of the slow ones."""
    if "BLAS_INFO=mkl" in torch.__config__.show():
        return "MKL"
    with open("/proc/self/maps") as maps:
        found = re.search(r"/\S+/libopenblas\S+", maps.read())
    if found is None:
        raise SystemExit("it multiplies matrices with the reference BLAS: install libopenblas0-openmp")
    library = ctypes.CDLL(found[0])
    if library.openblas_get_parallel() != OPENMP:
        raise SystemExit(
            "its OpenBLAS has threads that compete with PyTorch's: install libopenblas0-openmp, "
            "and choose it with update-alternatives --config libblas.so.3-$(uname -m)-linux-gnu"
        )
    library.openblas_get_config.restype = ctypes.c_char_p
    name, version, *_ = library.openblas_get_config().decode().split()
    return f"{name} {version}"
