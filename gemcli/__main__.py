"""``python -m gemcli`` is ``gemcli``."""

from gemcli.main import run

if __name__ == "__main__":
    run()
