"""What is said in the recordings of a request: the model brought when it is needed, transcripts kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gemcli.bridge import speech
from gemcli.bridge.speech import Listener, Segment
from gemcli.errors import InputError
from gemcli.events import Event, Progress, Warning
from gemcli.keep import Keep
from gemcli.parts import Audio


@dataclass(frozen=True, slots=True)
class Heard:
    """What is said, none where nobody speaks; `problem` where it could not be heard."""

    segments: tuple[Segment, ...]
    problem: str = ""
    language: str | None = None


class Sound:
    """Writes down recordings with one model.

    Args:
        keep: where transcripts are kept.
        emit: gets `Progress` of the stage ``transcribe`` in seconds, and of a download where the model is
            missing.
        total: seconds of sound in all.
        offline: nothing may be fetched.
        model: its name.
        language: a code such as ``de``; None to hear which it is.
    """

    def __init__(
        self,
        keep: Keep,
        emit: Callable[[Event], None],
        total: float,
        *,
        offline: bool,
        model: str = speech.MODEL,
        language: str | None = None,
    ) -> None:
        self._keep = keep
        self._emit = emit
        self._total = total
        self._offline = offline
        self.model = model
        self._language = language
        self._done = 0.0
        self._listener: Listener | None = None
        self._missing = ""

    def hear(self, audio: Audio, name: str, heard: Callable[[Segment], None] = lambda segment: None) -> Heard:
        """The segments of a recording; `heard` gets each as soon as it is written down.

        Raises:
            ModelUnavailableError: the model is missing and may not or cannot be fetched.
            GemcliError: it cannot be stored or loaded.
        """
        base = self._done
        kept = speech.recall(audio, keep=self._keep, name=self.model, language=self._language)
        if kept is not None:
            for segment in kept.segments:
                heard(segment)
            self._done = base + audio.seconds
            self._report(self._done, name)
            return Heard(kept.segments, language=kept.language)
        if self._missing:
            return Heard((), self._missing)
        self._report(base, name)
        found: list[Segment] = []
        try:
            listener = self.ready()
            for segment in listener.listen(
                audio, keep=self._keep, report=lambda done: self._report(base + done, name)
            ):
                found.append(segment)
                heard(segment)
        except speech.MissingError as error:
            self._emit(
                Warning(f"what is said in recordings is not written down: {error.message}; {error.hint}")
            )
            self._missing = "not heard, because speech recognition is not installed"
            return Heard((), self._missing)
        except InputError as error:
            return Heard(tuple(found), error.message)
        finally:
            self._done = base + audio.seconds
        self._report(self._done, name)
        return Heard(tuple(found), language=listener.heard)

    def ready(self) -> Listener:
        """The model, fetched and loaded when it is first needed.

        Raises:
            MissingError: speech recognition is not installed.
            ModelUnavailableError: the model is missing and may not or cannot be fetched.
            GemcliError: it cannot be stored or loaded.
        """
        if self._listener is None:
            speech.check_installed()
            from gemcli.hub.resolve import resolve_speech

            found = resolve_speech(self.model, offline=self._offline, on_event=self._emit)
            self._listener = Listener(found.path.parent, found.name, self._language)
        return self._listener

    def _report(self, done: float, name: str) -> None:
        total = max(1, round(self._total))
        self._emit(Progress("transcribe", min(round(done), total), total, "seconds", name))
