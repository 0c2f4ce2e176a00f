"""A stand-in for gemcli: shows the events of the script it is given, and exits as the program would.

usage: producer.py 'output="text", raw=True' 'ui(Token("hello"))'
"""

import os
import sys
import time

from gemcli.errors import EXIT_INTERRUPTED, GemcliError, InputError
from gemcli.events import Error, Init, Progress, Result, Thought, Token, Warning
from gemcli.ui import ReaderGone, confirm, emit_json, emit_table, emit_text, open_ui, show_error

arguments, script = sys.argv[1:]
try:
    with eval(f"open_ui({arguments})") as ui:
        exec(script)
except ReaderGone as gone:
    sys.exit(gone.exit_code)
except KeyboardInterrupt:
    sys.exit(EXIT_INTERRUPTED)
except GemcliError as error:
    show_error(error)
    sys.exit(error.exit_code)
