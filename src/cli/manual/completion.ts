/** Completion for bash, zsh and fish, from the command table. */
import type { Command } from '../command.ts';
import { everyCommand, HELP } from './commands.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

const flagsOf = (flags: string): string[] => flags.match(/(?<=^|[\s,])--?[a-z][a-z-]*/g) ?? [];
const COMMON: readonly (readonly [string, string])[] = [
  ['--json', 'print one JSON document on stdout'],
  ['--no-color', 'no colour'],
  ['--help', 'show help'],
];

/** Options of a command: each with its help, and whether a value follows. */
function optionsOf(command: Command): { flag: string; help: string; value: boolean }[] {
  const own = (command.options ?? []).flatMap((o) =>
    flagsOf(o.flags).map((flag) => ({ flag, help: o.help, value: o.flags.includes('<') })),
  );
  return [...own, ...COMMON.map(([flag, help]) => ({ flag, help, value: false }))];
}

export function completion(shell: Shell, root: Command): string {
  return { bash, zsh, fish }[shell](root);
}

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** The words that lead to a command, one case each: which commands and options can follow. */
function cases(root: Command): string {
  const top = (root.commands ?? []).map((c) => c.name).join(' ');
  const help = `    ${quote(`${root.name} ${HELP.name}`)}) commands=${quote(top)} options='' ;;`;
  const rows = everyCommand(root)
    .map(({ path, command }) => {
      const commands = [...(command.commands ?? []), ...(command === root ? [HELP] : [])]
        .map((c) => c.name)
        .join(' ');
      const options = optionsOf(command)
        .map((o) => o.flag)
        .join(' ');
      return `    ${quote(path)}) commands=${quote(commands)} options=${quote(options)} ;;`;
    })
    .join('\n');
  return `${rows}\n${help}`;
}

function walk(root: Command, words: string, from: number): string {
  return `  local path=${quote(root.name)} commands='' options='' i
  _${root.name}_row() {
    case $1 in
${cases(root)}
    *) commands='' options='' ;;
    esac
  }
  _${root.name}_row "$path"
  for ((i = ${from}; i < ${words === 'COMP_WORDS' ? 'COMP_CWORD' : 'CURRENT'}; i++)); do
    case " $commands " in
    *" \${${words}[i]} "*) path="$path \${${words}[i]}"; _${root.name}_row "$path" ;;
    esac
  done`;
}

function bash(root: Command): string {
  const { name } = root;
  return `# bash completion of ${name}; made from its command table: ${name} completion bash
_${name}() {
  local word=\${COMP_WORDS[COMP_CWORD]}
${walk(root, 'COMP_WORDS', 1)}
  case $word in
  -*) mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word") ;;
  *)
    mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$word")
    [ \${#COMPREPLY[@]} -gt 0 ] || mapfile -t COMPREPLY < <(compgen -f -- "$word")
    ;;
  esac
}
complete -o filenames -F _${name} ${name}
`;
}

function zsh(root: Command): string {
  const { name } = root;
  return `#compdef ${name}
# zsh completion of ${name}; made from its command table: ${name} completion zsh
_${name}() {
${walk(root, 'words', 2)}
  if [[ $PREFIX == -* ]]; then
    compadd -- \${=options}
  else
    [[ -z $commands ]] || compadd -- \${=commands}
    _files
  fi
}
_${name} "$@"
`;
}

function fish(root: Command): string {
  const { name } = root;
  const literal = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const lines = [
    `# fish completion of ${name}; made from its command table: ${name} completion fish`,
    `function __${name}_path`,
    '  set -l path',
    '  for word in (commandline -opc)',
    "    string match -q -- '-*' $word; or set -a path $word",
    '  end',
    '  echo "$path"',
    'end',
    `function __${name}_at`,
    `  set -l path (__${name}_path)`,
    '  test "$path" = "$argv[1]"; or string match -q -- "$argv[1] *" "$path"',
    'end',
  ];
  const top = root.commands ?? [];
  for (const { path, command } of [...everyCommand(root), { path: `${name} ${HELP.name}`, command: HELP }]) {
    const below = command === root ? [...top, HELP] : command === HELP ? top : (command.commands ?? []);
    for (const c of below) {
      lines.push(
        `complete -c ${name} -n "test (__${name}_path) = ${literal(path)}" -f -a ${literal(c.name)} -d ${literal(c.summary)}`,
      );
    }
    if (command === root || command === HELP) continue;
    for (const o of optionsOf(command)) {
      const form = o.flag.startsWith('--') ? `-l ${o.flag.slice(2)}` : `-s ${o.flag.slice(1)}`;
      const value = o.value ? ' -r' : '';
      lines.push(
        `complete -c ${name} -n "__${name}_at ${literal(path)}" ${form}${value} -d ${literal(o.help)}`,
      );
    }
  }
  return `${lines.join('\n')}\n`;
}
