import type { Command, Option } from 'commander';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export const COMPLETION_HELP = `
bash: source <(wasmlet completion bash)                              in ~/.bashrc
zsh:  source <(wasmlet completion zsh)                               in ~/.zshrc, after compinit
fish: wasmlet completion fish > ~/.config/fish/completions/wasmlet.fish`;

/** What a shell has to know of a command. */
interface Node {
  /** Words that lead to it: [], ['images'], ['images', 'ls']. */
  readonly path: readonly string[];
  readonly description: string;
  readonly commands: readonly Node[];
  readonly options: readonly Flag[];
  /** Words that its first argument may be; empty: it is a file or a name. */
  readonly choices: readonly string[];
}

interface Flag {
  /** ['-o', '--output'] */
  readonly names: readonly string[];
  readonly description: string;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
}

/** The completions of all commands, options and their choices, for a shell to source. */
export function completionScript(root: Command, shell: Shell): string {
  const nodes = flatten(nodeOf(root, []));
  if (shell === 'fish') return fish(nodes);
  return shell === 'bash' ? bash(nodes) : zsh(nodes);
}

function nodeOf(command: Command, path: readonly string[]): Node {
  return {
    path,
    description: command.description(),
    commands: command.commands.map((child) => nodeOf(child, [...path, child.name()])),
    options: [...command.options.map(flagOf), HELP],
    choices: command.registeredArguments[0]?.argChoices ?? [],
  };
}

const HELP: Flag = { names: ['-h', '--help'], description: 'Print help', takesValue: false, choices: [] };

/** Commander writes a choice of values into its flags where they are the configuration's: '<v8|interpreter>'. */
function flagOf({ short, long, description, required, argChoices, flags }: Option): Flag {
  const [, written = ''] = /<([a-z0-9-]+(?:\|[a-z0-9-]+)+)>/.exec(flags) ?? [];
  return {
    names: [short, long].filter((name) => name !== undefined),
    description: description.split(' (')[0] ?? '',
    takesValue: required,
    choices: argChoices ?? (written === '' ? [] : written.split('|')),
  };
}

const flatten = (node: Node): readonly Node[] => [node, ...node.commands.flatMap(flatten)];

/** For a word within single quotes. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

const wordsOf = ({ commands, options, choices }: Node): string =>
  [...commands.map(({ path }) => path.at(-1) ?? ''), ...choices, ...options.flatMap(({ names }) => names)].join(' ');

/** The cases that bash and zsh share: which command the words so far lead to, and which words may follow. */
function cases(nodes: readonly Node[]) {
  const below = nodes.filter(({ path }) => path.length > 0);
  const valued = nodes.flatMap(({ path, options }) =>
    options
      .filter(({ takesValue }) => takesValue)
      .map(({ names, choices }) => ({
        pattern: names.map((name) => quoted(`${path.join(' ')}:${name}`)).join('|'),
        choices: choices.join(' '),
      })),
  );
  return {
    steps: below.map(
      ({ path }) => `${quoted(`${path.slice(0, -1).join(' ')}:${path.at(-1) ?? ''}`)}) at=${quoted(path.join(' '))} ;;`,
    ),
    words: nodes.map((node) => `${quoted(node.path.join(' '))}) words=${quoted(wordsOf(node))} ;;`),
    values: valued.map(({ pattern, choices }) => `${pattern}) words=${quoted(choices)}; values=1 ;;`),
  };
}

const lines = (items: readonly string[], indent: string): string => items.map((item) => `${indent}${item}`).join('\n');

function bash(nodes: readonly Node[]): string {
  const { steps, words, values } = cases(nodes);
  return `# bash completion of wasmlet
_wasmlet() {
  local at='' words='' values='' i current="\${COMP_WORDS[COMP_CWORD]}"
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at:\${COMP_WORDS[i]}" in
${lines(steps, '      ')}
    esac
  done
  case "$at" in
${lines(words, '    ')}
  esac
  case "$at:\${COMP_WORDS[COMP_CWORD - 1]}" in
${lines(values, '    ')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [[ \${#COMPREPLY[@]} -eq 0 && ( $current != -* || -n $values ) ]]; then
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -F _wasmlet wasmlet
`;
}

function zsh(nodes: readonly Node[]): string {
  const { steps, words, values } = cases(nodes);
  return `#compdef wasmlet
# zsh completion of wasmlet
_wasmlet() {
  local at='' words_='' values='' i
  for ((i = 2; i < CURRENT; i++)); do
    case "$at:\${words[i]}" in
${lines(steps, '      ')}
    esac
  done
  case "$at" in
${lines(
  words.map((line) => line.replace(') words=', ') words_=')),
  '    ',
)}
  esac
  case "$at:\${words[CURRENT - 1]}" in
${lines(
  values.map((line) => line.replace(') words=', ') words_=')),
  '    ',
)}
  esac
  compadd -- \${=words_}
  _files
}
compdef _wasmlet wasmlet
`;
}

function fish(nodes: readonly Node[]): string {
  const rules = nodes.flatMap((node) => {
    const condition = conditionOf(node);
    const rule = (rest: string) => `complete -c wasmlet -n ${quoted(condition)} ${rest}`;
    return [
      ...node.commands.map(({ path, description }) => rule(`-f -a ${path.at(-1) ?? ''} -d ${quoted(description)}`)),
      ...(node.choices.length === 0 ? [] : [rule(`-f -a ${quoted(node.choices.join(' '))}`)]),
      ...node.options.map((flag) => rule(fishFlag(flag))),
    ];
  });
  return `# fish completion of wasmlet\n${rules.join('\n')}\n`;
}

/** Where the words so far have led to a command and not further. */
function conditionOf({ path, commands }: Node): string {
  const further = commands.map((command) => command.path.at(-1) ?? '').join(' ');
  const reached = path.map((word) => `__fish_seen_subcommand_from ${word}`);
  const all = further === '' ? reached : [...reached, `not __fish_seen_subcommand_from ${further}`];
  return all.join('; and ');
}

function fishFlag({ names, description, takesValue, choices }: Flag): string {
  const flags = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  const value = takesValue ? [choices.length > 0 ? `-x -a ${quoted(choices.join(' '))}` : '-r'] : [];
  return [...flags, ...value, `-d ${quoted(description)}`].join(' ');
}
