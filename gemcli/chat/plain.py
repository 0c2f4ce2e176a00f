"""The line that a person types on where the terminal can do nothing but lines."""

from __future__ import annotations

import sys

from gemcli.chat.fence import FENCE, MORE, PROMPT, is_open, unfenced
from gemcli.chat.loop import Dropped
from gemcli.ui.streams import Err, Out


class Plain:
    """Reads messages, a line each, or several between two fences; the terminal edits them."""

    def read(self) -> str:
        """The next message.

        Raises:
            EOFError: there is none: the person left.
            Dropped: the line was given up.
        """
        stream = Out() if sys.stdout.isatty() else Err()
        text, sign = "", PROMPT
        try:
            while True:
                stream.write(sign)
                line = sys.stdin.buffer.readline()
                if not line:
                    stream.write("\n")
                    if not text:
                        raise EOFError
                    return unfenced(text)
                text += line.decode("utf-8", "replace")
                if not is_open(text):
                    return unfenced(text)
                sign = MORE if stream.can_show(MORE) else FENCE
        except KeyboardInterrupt as interrupt:
            stream.write("\n")
            if type(interrupt) is not KeyboardInterrupt:  # the system's wish to end
                raise
            raise Dropped(empty=True) from None
