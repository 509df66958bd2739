"""The command line: `dscompress COMMAND`. One command a file; this file has their list and the exit codes.

    0    done, or: the same
    1    `verify` found a difference
    2    the command line is wrong
    3    the input is wrong: a model, an image, an array, a file that cannot be read or written
    4    this machine cannot: a backend, a library or an extra is missing, no memory, no space
    5    `verify` found what the import made of the source, but the import changed weights
    70   an error inside dscompress
    130  interrupted
    141  nobody reads the output any more

To add a command: a file here with a click command called `command`, and its name in COMMANDS. Nothing heavier than
click is imported at the top of these files, so that `dscompress --help` and `dscompress run` start quickly.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys

import click

from dscompress import MissingRuntime, check_runtime
from dscompress.cli import show

COMMANDS = ("train", "convert", "export", "run", "verify", "inspect", "check", "bench", "ops", "doctor")

# What an option was called before, and what it is called now.
RENAMED = {
    "--activation": "--activations deepshift:I.F",
    "--activation-bits": "--activations deepshift:I.F",
    "--bits-of": "--layer-bits",
    "--calibrate": "--inputs",
    "--skip": "--layer-bits LAYER=float",
}

UNFINISHED = "dscompress-unfinished"  # name of a thread that need not end before the process does

DIFFERENT, WRONG_INPUT, MACHINE_CANNOT, CHANGED_BY_IMPORT, INTERNAL, INTERRUPTED, PIPE_CLOSED = 1, 3, 4, 5, 70, 130, 141


class MissingExtra(Exception):
    """A command needs packages that are not installed; str() says which and how to get them."""


class Commands(click.Group):
    """Imports a command's file when the command is asked for, and turns every error into an exit code."""

    def list_commands(self, context):
        return list(COMMANDS)

    def get_command(self, context, name):
        return importlib.import_module(f"dscompress.cli.{name}").command if name in COMMANDS else None

    def resolve_command(self, context, arguments):
        name = arguments[0]
        if name not in COMMANDS and not name.startswith("-"):
            context.fail(no_such_command(name))
        return super().resolve_command(context, arguments)

    def make_context(self, info_name, args, parent=None, **extra):
        with heeding_the_reader(), show.writing_stdout():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, context):
        with heeding_the_reader():
            super().invoke(context)
            with show.writing_stdout():
                if sys.stdout is not None:
                    sys.stdout.flush()

    def main(self, *arguments, **settings):
        settings["standalone_mode"] = False
        try:
            code = super().main(*arguments, **settings)
        except (Exception, KeyboardInterrupt) as error:
            if os.environ.get("DSCOMPRESS_TRACEBACK") == "1" and not isinstance(error, click.ClickException):
                raise
            code = report(error)
        sys.exit(code or 0)


class Command(click.Command):
    """A command whose help has its options under the headings of options.section()."""

    def make_context(self, info_name, args, parent=None, **extra):
        with show.writing_stdout():  # --help, --recipes
            context = super().make_context(info_name, args, parent, **extra)
        if context.meta.get(show.QUIET) and "quiet" not in (parameter.name for parameter in self.params):
            raise click.UsageError(f"{info_name} has no -q: all that it prints is its result.", context)
        return context

    def invoke(self, context):
        check_runtime()
        return super().invoke(context)

    def format_options(self, context, formatter):
        headings: dict[str, list] = {}
        for parameter in self.get_params(context):
            record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
            if record:
                headings.setdefault(getattr(parameter, "section", "Options"), []).append(record)
        for heading, records in headings.items():
            with formatter.section(heading):
                formatter.write_dl(records)


@contextlib.contextmanager
def heeding_the_reader():
    """Ends quietly where nobody reads the output any more."""
    try:
        yield
    except BrokenPipeError:
        drop_output()
        raise click.exceptions.Exit(PIPE_CLOSED) from None
    except OSError as error:
        if error.filename == show.STDOUT:
            drop_output()
        raise


def drop_output() -> None:
    """What is still buffered has nowhere to go; without this Python complains about it at exit."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def no_such_command(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, COMMANDS, n=1)
    hint = f"Did you mean '{close[0]}'?" if close else f"The commands are {', '.join(COMMANDS)}."
    return f"There is no command '{name}'. {hint}"


def report(error: BaseException) -> int:
    """Says on stderr what went wrong and returns the exit code."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        show.to_stderr("interrupted")
        return INTERRUPTED
    code, text, what_to_do = explain(error)
    show.error(text, what_to_do)
    return code


def usage(error: click.ClickException) -> str:
    """What is wrong with the command line, as every other error is said."""
    if isinstance(error, click.NoSuchOption) and error.option_name in RENAMED:
        return f"there is no option {error.option_name} any more; it is {RENAMED[error.option_name]} now"
    text = error.format_message().rstrip(".")
    return text[:1].lower() + text[1:]


def where_to_look(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path} --help" if context else ""


def explain(error: BaseException) -> tuple[int, str, str]:
    """Exit code, what is wrong, what to do; safe to print."""
    try:
        check_runtime()
    except MissingRuntime as missing:
        return MACHINE_CANNOT, str(missing), ""
    from dsruntime.text import printable

    if isinstance(error, click.ClickException):
        return error.exit_code, printable(usage(error)), where_to_look(error)
    errors = sys.modules.get("dsruntime.errors")  # not loaded: then no such error can have been raised
    if errors and isinstance(error, errors.DsError):
        code = MACHINE_CANNOT if isinstance(error, errors.BackendError) else WRONG_INPUT
        found = errors.sentence(error.where, error.found, error.expected, "") or printable(error.message)
        return code, "\n  ".join([found, *map(printable, error.details)]), printable(error.what_to_do)
    if isinstance(error, MissingExtra):
        return MACHINE_CANNOT, str(error), ""
    if isinstance(error, MemoryError):
        return MACHINE_CANNOT, "not enough memory", "close other programs, or use a smaller model or batch"
    if isinstance(error, OSError) and isinstance(error.filename, (str, bytes)):
        from dscompress.errors import MACHINE_ERRNOS

        code = MACHINE_CANNOT if error.errno in MACHINE_ERRNOS else WRONG_INPUT
        reason = error.strerror or str(error)
        return code, printable(f"{os.fsdecode(error.filename)}: {reason[:1].lower()}{reason[1:]}"), ""
    kind, detail = type(error).__name__, printable(" ".join(str(error).split()))
    remedy = "this is a bug in dscompress; set DSCOMPRESS_TRACEBACK=1 to see where, and report it with the command"
    return INTERNAL, f"internal error: {kind}: {detail[:300]}" if detail else f"internal error: {kind}", remedy


def show_version(context, parameter, wanted):
    if wanted and not context.resilient_parsing:
        from dscompress import __version__

        show.to_stdout(f"dscompress {__version__}")
        context.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=show_version,
    help="Show the version and leave.",
)
@click.option("-q", "--quiet", is_flag=True, help="As -q of the command: the result and errors alone.")
@click.pass_context
def cli(context, quiet):
    """Power-of-two networks, small and exact: from model.pt to a checked .dsf file to a prediction.

    \b
    Example:
      dscompress export model.onnx -o model.dsf
      dscompress run model.dsf photo.jpg
    """
    context.color = show.color()
    show.start(quiet)


def main() -> None:
    open_standard_files()
    try:
        cli.main(prog_name="dscompress")
    except SystemExit as end:
        leave_at_once(end.code)
        raise


def open_standard_files() -> None:
    """Where the caller closed one, else the next file to be opened takes its number, and what is printed goes there."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def leave_at_once(code: object) -> None:
    """Ends a process that has threads which it cannot wait for, and in which Python and C++ must not end around them.

    Of one process of several in a training, Gloo's threads may still let go of Python's objects. Python, once it has
    begun to end, ends such a thread in the middle of that, which aborts the process. And what a thread named UNFINISHED
    does may take seconds, after Ctrl-C or an error too.
    """
    import threading

    world = sys.modules.get("dscompress.training.world")
    unfinished = any(thread.name == UNFINISHED for thread in threading.enumerate())
    if (unfinished or (world and world.is_of_torchrun())) and isinstance(code, int):
        with contextlib.suppress(OSError):  # nobody reads it any more
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
