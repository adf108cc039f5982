"""The command `seatrial`. Heavy imports wait until a command needs them: `seatrial version --client` is instant."""

from __future__ import annotations

import os
import sys
from typing import cast

import typer

from seatrial.cli.commands import archive, bundle, enter, init, inspect, manage, start, version
from seatrial.cli.commands.connected import NobodyReadsError
from seatrial.cli.commands.options import ContextOption, KubeconfigOption, NamespaceOption
from seatrial.cli.errors import CliError, Exit

# Typer's public errors all stand on this one: a wrong option, a missing argument.
_UsageError = cast(type[Exception], typer.BadParameter.__mro__[1])

app = typer.Typer(
    name="seatrial",
    help="Run pytest suites against a fresh copy of a whole system on Kubernetes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit status of run --wait: 0 passed, 1 tests failed, 2 cancelled, 3 infrastructure, "
    "4 usage or invalid spec, 5 nothing collected, 124 --timeout was over, 130 interrupted.",
)
_archive = typer.Typer(help="The archive itself.", no_args_is_help=True)


@app.callback()
def _root(
    context: typer.Context,
    namespace: NamespaceOption = None,
    kube_context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    context.obj = (kubeconfig, kube_context, namespace)


app.command()(init.init)
app.command()(start.run)
app.command()(start.rerun)
app.command()(start.wait)
app.command()(bundle.bundle)
app.command()(manage.get)
app.command()(inspect.logs)
app.command()(inspect.results)
app.command("open")(inspect.open_)
app.command()(enter.shell)
app.command()(manage.extend)
app.command()(manage.cancel)
app.command()(manage.delete)
_archive.command("verify")(archive.verify)
app.add_typer(_archive, name="archive")
app.command()(version.doctor)
app.command()(version.version)


def _print_error(error: CliError) -> int:
    from seatrial.cli.output import Out

    Out().error(error)
    return int(error.code)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    try:
        code = app(arguments, standalone_mode=False)
    except CliError as error:
        return _print_error(error)
    except _UsageError as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "seatrial"
        message = getattr(error, "format_message", error.__str__)()
        return _print_error(CliError(message, hint=f"see {path} --help"))
    except (KeyboardInterrupt, typer.Abort):
        return int(Exit.INTERRUPTED)
    except NobodyReadsError:
        # Whoever read the output has seen enough (`| head`); what is still buffered goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(Exit.BROKEN_PIPE)
    return code if isinstance(code, int) else int(Exit.PASSED)


if __name__ == "__main__":
    sys.exit(main())
