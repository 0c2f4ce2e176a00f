"""The environment in which a model's chat template runs: Jinja's sandbox, with trust and with limits.

A template comes with a model from a stranger.  Jinja's sandbox keeps it from reaching Python; this one
also bounds what it may compute, and turns its literals, and only them, into trusted ropes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import Any

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError, TemplateRuntimeError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from model.tokenizer import rope
from model.tokenizer import sandbox_names as names

_STEPS = 1_000_000
_SECONDS = 5.0
_ROOM = 4_000_000  # characters, list items and the like, in all values that one rendering makes
_LARGEST_ARGUMENT = 100_000
_LARGEST_INTEGER = 4096  # bits
_WIDE_PERCENT = re.compile(r"%[^%a-zA-Z]*?(?:\d{4,}|\*)")  # a width that makes long text of short
_WIDE_BRACES = re.compile(r"\{[^{}]*:[^{}]*(?:\d{4,}|\{)")
_CONTAINERS = (list, tuple, dict, set, frozenset)
_NO_METHODS = frozenset({"encode", "expandtabs", "maketrans", "translate"})


class _Code(CodeGenerator):
    """Compiles literals to trusted ropes, and a step to be counted into every block."""

    def visit_Const(self, node: nodes.Const, frame: Frame) -> None:
        if isinstance(node.value, str):
            self.write(f"environment.trusted({node.value!r})")
        else:
            super().visit_Const(node, frame)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self.write("environment.concat((")
        for part in node.nodes:
            self.write("environment.finalize(")
            self.visit(part, frame)
            self.write("), ")
        self.write("))")

    def visit_List(self, node: nodes.List, frame: Frame) -> None:
        self._made(super().visit_List, node, frame)

    def visit_Tuple(self, node: nodes.Tuple, frame: Frame) -> None:
        if node.ctx == "load":
            self._made(super().visit_Tuple, node, frame)
        else:
            super().visit_Tuple(node, frame)

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:
        self._made(super().visit_Dict, node, frame)

    def blockvisit(self, nodes: Iterable[nodes.Node], frame: Frame) -> None:
        self.writeline("environment.step()")
        super().blockvisit(nodes, frame)

    def _output_const_repr(self, group: Iterable[Any]) -> str:
        return f"environment.trusted({''.join(group)!r})"

    def _made(self, visit: Callable[[Any, Frame], None], node: nodes.Expr, frame: Frame) -> None:
        self.write("environment.made(")
        visit(node, frame)
        self.write(")")


class _Generation(Extension):
    """`{% generation %}` marks what an assistant said, for training; here it is only what it holds."""

    tags = {"generation"}  # noqa: RUF012  (so declared by Jinja)

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja as Hugging Face sets it up for chat templates, within bounds.

    Call `begin` before each rendering; one at a time.
    """

    code_generator_class = _Code
    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols])
        self.finalize = self._finalize
        self.concat = self._concat  # what the generated code joins output with
        for name in names.NO_FILTERS:
            del self.filters[name]
        self.filters.update(names.FILTERS)
        self.filters = {name: self._guarded(name, filter) for name, filter in self.filters.items()}
        # The test `string` only asks what its argument is; the filter of that name writes it out.
        self.tests = {
            name: self._guarded("" if name == "string" else name, test) for name, test in self.tests.items()
        }
        del self.globals["lipsum"]
        self.globals.update(names.GLOBALS)
        self.trusted = rope.trusted
        self.begin(0)

    def begin(self, given: int) -> None:
        """Starts the count for a rendering that is given so many characters."""
        self._steps = _STEPS
        self._room = _ROOM + 16 * given
        self._deadline = time.monotonic() + _SECONDS

    def step(self) -> None:
        """One step of the template's own program."""
        self._steps -= 1
        if self._steps < 0 or time.monotonic() > self._deadline:
            raise TemplateRuntimeError("it runs too long")

    def made(self, value: Any) -> Any:
        """Any new value passes here, and its size is taken from the room that is left."""
        self.step()
        if isinstance(value, str):
            self._take(len(value))
        elif isinstance(value, int):
            if value.bit_length() > _LARGEST_INTEGER:
                raise TemplateRuntimeError("it computes too large a number")
        elif isinstance(value, _CONTAINERS):
            waiting: list[Any] = [value]
            while waiting:
                items = waiting.pop()
                self._take(len(items))
                both = [*items.keys(), *items.values()] if isinstance(items, dict) else items
                waiting.extend(item for item in both if isinstance(item, _CONTAINERS))
        return value

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        self._check_arguments((*args, *kwargs.values()))
        owner = getattr(obj, "__self__", None)
        if isinstance(owner, str):
            name = getattr(obj, "__name__", "")
            if name == "join" and len(args) == 1:
                return self.join(args[0], owner)
            if name == "replace" and len(args) > 1:
                self._check_replace(owner, args[0], args[1])
            elif name in ("split", "rsplit", "splitlines"):
                self._take(owner.count(args[0]) if args and args[0] else 2 * len(owner))
        return self.made(super().call(context, obj, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "*":
            for one, other in ((left, right), (right, left)):
                if isinstance(one, (str, list, tuple)) and isinstance(other, int):
                    self._check(len(one) * other)
        elif operator == "**" and isinstance(left, int) and isinstance(right, int):
            if left.bit_length() * right > _LARGEST_INTEGER:
                raise TemplateRuntimeError("it computes too large a number")
        elif operator == "%" and isinstance(left, str):
            self._check_format(_WIDE_PERCENT, left, right if isinstance(right, tuple) else (right,))
        return self.made(super().call_binop(context, operator, left, right))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, str) and attr in _NO_METHODS:
            return False
        return super().is_safe_attribute(obj, attr, value)

    def unsafe_undefined(self, obj: Any, attribute: str) -> Undefined:
        raise SecurityError(f"it reaches for {attribute!r} of a {type(obj).__name__}")

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        if isinstance(template := getattr(value, "__self__", None), rope.Rope):
            value = getattr(template.plain(), value.__name__, None)
        wrapped = super().wrap_str_format(value)
        if wrapped is None:
            return None

        def format(*args: Any, **kwargs: Any) -> str:
            self._check_format(_WIDE_BRACES, value.__self__, (*args, *kwargs.values()))
            filled = rope.fill(template, "{}", "{}", args) if isinstance(template, rope.Rope) else None
            return wrapped(*args, **kwargs) if filled is None or kwargs else filled

        return format

    def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> str:
        for loop in source.find_all(nodes.For):
            if loop.test is not None:  # `for … if …` has no block in which its rounds would be counted
                count = nodes.Call(nodes.EnvironmentAttribute("counted"), [], [], None, None)
                loop.test = nodes.And(count, loop.test)
        return super()._generate(source, *args, **kwargs)

    def counted(self) -> bool:
        """True; calling it is a step."""
        return True

    def join(self, values: Iterable[Any], separator: Any) -> str:
        """The texts of values, with a separator between them."""
        return self._concat(map(self._finalize, values), self._finalize(separator))

    def weigh_json(self, value: Any, indent: Any) -> None:
        """Takes the size of a value as JSON, at least, from the room that is left."""
        waiting = [value]
        while waiting:
            item = waiting.pop()
            self._take(len(item) if isinstance(item, str) else 1 + (indent if isinstance(indent, int) else 1))
            if isinstance(item, dict):
                waiting.extend((*item.keys(), *item.values()))
            elif isinstance(item, (list, tuple)):
                waiting.extend(item)

    def _take(self, size: int) -> None:
        self._check(size)
        self._room -= size

    def _check(self, size: int) -> None:
        if size > self._room:
            raise TemplateRuntimeError("it produces too much")

    def _check_arguments(self, values: Iterable[Any]) -> None:
        if any(isinstance(value, int) and abs(value) > _LARGEST_ARGUMENT for value in values):
            raise TemplateRuntimeError(f"it asks for more than {_LARGEST_ARGUMENT:,} of something")

    def _check_replace(self, text: str, old: Any, new: Any) -> None:
        if isinstance(old, str) and isinstance(new, str):
            self._check(text.count(old) * len(new))

    def _check_format(self, wide: re.Pattern[str], template: str, values: tuple[Any, ...]) -> None:
        if wide.search(template):
            raise TemplateRuntimeError("it formats with a width that is too large, or computed")
        for value in values:
            self._finalize(value)

    def _finalize(self, value: Any) -> str:
        """The text of a value that is to be written out."""
        if value is None or isinstance(value, (str, int, float, Undefined)):
            return str(value)
        raise TemplateRuntimeError(f"it writes out a {type(value).__name__}")

    def _concat(self, texts: Iterable[str], separator: str = "") -> rope.Rope:
        collected: list[str] = []
        for text in texts:
            self._take(len(text) + len(separator))
            collected.append(text)
        return rope.join(collected, separator)

    def _guarded(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """A filter or test whose rounds count as steps, and whose result is bounded."""

        passed = 1 if hasattr(function, "jinja_pass_arg") else 0

        def guarded(*args: Any, **kwargs: Any) -> Any:
            value, *others = args[passed:]
            self._check_arguments((*others, *kwargs.values()))
            if name in names.TEXT_FILTERS:
                text = self._finalize(value)
                if name == "replace" and len(others) > 1:
                    self._check_replace(text, *others[:2])
                elif name == "indent":
                    width = (*others, kwargs.get("width", 4))[0]
                    self._check(text.count("\n") * (width if isinstance(width, int) else len(width)))
                elif name == "format":
                    self._check_format(_WIDE_PERCENT, text, (*others, *kwargs.values()))
            return self.made(function(*args, **kwargs))

        if hasattr(function, "jinja_pass_arg"):
            guarded.jinja_pass_arg = function.jinja_pass_arg  # pyright: ignore[reportFunctionMemberAccess]
        return guarded
