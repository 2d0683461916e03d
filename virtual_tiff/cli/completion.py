"""`virtual-tiff completion bash|zsh|fish`: a script that completes commands and options.

It is made from the parsers, so it knows what they know. Whatever is not an option is a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from virtual_tiff.cli.description import Argument, Command

__all__ = ["SHELLS", "script"]

_PROGRAM = "virtual-tiff"


def script(shell: str, commands: Sequence[Command]) -> str:
    """Return the script for a shell.

    Parameters
    ----------
    shell
        One of `SHELLS`.
    commands
        The program, and its commands.
    """
    return "\n".join(SHELLS[shell](commands)) + "\n"


def _words(command: Command) -> str:
    """Return what may be written next, of a command: its options, and words of its own."""
    flags = (flag for option in command.options for flag in option.flags)
    return " ".join(filter(None, [*flags, _own(command)]))


def _own(command: Command) -> str:
    """Return the words that stand for themselves, as the names of shells."""
    return " ".join(choice for a in command.arguments if not a.flags for choice in a.choices)


# --------------------------------------------------------------------------------- bash


def _bash(commands: Sequence[Command]) -> Iterator[str]:
    program, *below = commands
    names = " ".join(command.name for command in below)
    yield f'# bash: eval "$({_PROGRAM} completion bash)"'
    yield "_virtual_tiff() {"
    yield "  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}"
    yield "  local command= words= word"
    yield '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do'
    yield f"    case $word in {names.replace(' ', '|')}) command=$word; break;; esac"
    yield "  done"
    yield "  COMPREPLY=()"
    yield "  case $command:$before in"
    for command in below:
        yield from _bash_values(command)
    yield "  esac"
    yield "  case $command in"
    yield f'    "") words="{names} {_words(program)}";;'
    for command in below:
        yield f'    {command.name}) words="{_words(command)}";;'
    yield "  esac"
    # without a dash before it a word is a file, unless the command has words of its own
    plain = "|".join(['""', *(command.name for command in below if _own(command))])
    yield f"  case $command in {plain}) ;; *) [[ $current == -* ]] || return 0;; esac"
    yield '  COMPREPLY=($(compgen -W "$words" -- "$current"))'
    yield "}"
    yield f"complete -o default -F _virtual_tiff {_PROGRAM}"


def _bash_values(command: Command) -> Iterator[str]:
    """Yield what follows an option that takes a value: its choices, or a file."""
    for option in command.options:
        if option.value is None:
            continue
        pattern = "|".join(f"{command.name}:{flag}" for flag in option.flags)
        choices = " ".join(option.choices)
        reply = f'COMPREPLY=($(compgen -W "{choices}" -- "$current")); ' if choices else ""
        yield f"    {pattern}) {reply}return;;"


# ---------------------------------------------------------------------------------- zsh


def _zsh(commands: Sequence[Command]) -> Iterator[str]:
    program, *below = commands
    yield f"#compdef {_PROGRAM}"
    yield f"# zsh: {_PROGRAM} completion zsh > a folder of $fpath, as _{_PROGRAM}"
    yield "_virtual_tiff() {"
    yield "  local state line context"
    yield "  _arguments -C \\"
    for option in program.options:
        yield f"    {_zsh_option(option)} \\"
    yield "    '1:command:->command' '*::argument:->argument'"
    yield "  case $state in"
    yield "    command)"
    described = " ".join(_quoted(f"{c.name}:{c.help}") for c in below)
    yield f"      local -a commands=({described})"
    yield "      _describe command commands;;"
    yield "    argument)"
    yield "      case $line[1] in"
    for command in below:
        options = " ".join(map(_zsh_option, command.options))
        places = " ".join(_zsh_place(a) for a in command.arguments if not a.flags)
        yield f"        {command.name}) _arguments {options} {places};;"
    yield "      esac;;"
    yield "  esac"
    yield "}"
    # a file of $fpath is run as the function of its name; what is sourced registers itself
    yield f'if [[ $funcstack[1] == _{_PROGRAM} ]]; then _virtual_tiff "$@"'
    yield f"else compdef _virtual_tiff {_PROGRAM}; fi"


def _zsh_option(option: Argument) -> str:
    text = _zsh_text(option.help)
    value = "" if option.value is None else f":{_zsh_text(option.value)}:{_zsh_values(option)}"
    star = "*" if option.repeated else ""
    return " ".join(_quoted(f"{star}{flag}[{text}]{value}") for flag in option.flags)


def _zsh_place(argument: Argument) -> str:
    star = "*" if argument.repeated else ""
    return _quoted(f"{star}:{_zsh_text(argument.value or '')}:{_zsh_values(argument)}")


def _zsh_values(argument: Argument) -> str:
    return f"({' '.join(argument.choices)})" if argument.choices else "_files"


def _zsh_text(text: str) -> str:
    for letter in "\\[]:":
        text = text.replace(letter, f"\\{letter}")
    return text


def _quoted(text: str) -> str:
    """Quote for a shell of the Bourne family."""
    return "'" + text.replace("'", "'\\''") + "'"


# --------------------------------------------------------------------------------- fish


def _fish(commands: Sequence[Command]) -> Iterator[str]:
    program, *below = commands
    yield f"# fish: {_PROGRAM} completion fish > ~/.config/fish/completions/{_PROGRAM}.fish"
    for command in below:
        yield (
            f"complete -c {_PROGRAM} -n __fish_use_subcommand -f -a {command.name}"
            f" -d {_fish_quoted(command.help)}"
        )
    for option in program.options:
        yield _fish_option(option, "__fish_use_subcommand")
    for command in below:
        seen = f"'__fish_seen_subcommand_from {command.name}'"
        for option in command.options:
            yield _fish_option(option, seen)
        if _own(command):
            yield f"complete -c {_PROGRAM} -n {seen} -f -a '{_own(command)}'"


def _fish_option(option: Argument, condition: str) -> str:
    names = " ".join(
        f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags
    )
    value = "" if option.value is None else " -r"
    choices = f" -f -a '{' '.join(option.choices)}'" if option.choices else ""
    described = _fish_quoted(option.help)
    return f"complete -c {_PROGRAM} -n {condition} {names}{value}{choices} -d {described}"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


SHELLS: dict[str, Callable[[Sequence[Command]], Iterator[str]]] = {
    "bash": _bash,
    "zsh": _zsh,
    "fish": _fish,
}
