import os

import pytest

from gemcli.ingest.quiet import quiet


def test_stderr_is_silent_inside_and_heard_again_after(capfd):
    os.write(2, b"before ")
    with quiet(), quiet():
        os.write(2, b"inside ")
    with pytest.raises(OSError, match="No such file"), quiet():
        os.stat("/no/such/file")  # noqa: PTH116
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"
