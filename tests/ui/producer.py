"""A stand-in for gemcli: shows the events of the script it is given, and exits as the program would.

usage: producer.py 'output="text", raw=True' 'ui(Token("hello"))'
"""

import os
import sys
import time

from gemcli import errors, events
from gemcli import ui as printer
from gemcli.errors import EXIT_INTERRUPTED, GemcliError
from gemcli.ui import ReaderGone, open_ui, show_error

arguments, script = sys.argv[1:]
names = {**vars(events), **vars(errors), **vars(printer), "os": os, "sys": sys, "time": time}
try:
    with open_ui(**eval(f"dict({arguments})")) as ui:
        exec(script, {**names, "ui": ui})
except ReaderGone as gone:
    sys.exit(gone.exit_code)
except KeyboardInterrupt:
    sys.exit(EXIT_INTERRUPTED)
except GemcliError as error:
    show_error(error)
    sys.exit(error.exit_code)
