"""What every test stands on: one thread of linear algebra, and no clock."""

import os
import signal

import hypothesis

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before anything here imports NumPy

# A shell starts what runs in its background deaf to Ctrl-C, nohup what it runs to the
# terminal's end, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

hypothesis.settings.register_profile(
    "nettrain",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("nettrain")
