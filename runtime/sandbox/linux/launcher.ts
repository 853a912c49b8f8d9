import { existsSync } from 'node:fs';
import { OWN_PID } from './seccomp.ts';
import { ARCHITECTURES } from './numbers.ts';
import type { SystemCall } from './numbers.ts';
import { WasmletError } from '../../../base/errors.ts';

/**
 * A launcher makes a list of system calls and then becomes another program, which so has never run without what they
 * have put upon it. It decides nothing: all that a host is confined by is laid down here, in TypeScript, and read in one
 * place. Two programs can be it:
 *
 * - Perl, whose `syscall` makes any call, and which every Debian and Ubuntu has (perl-base is essential there): 2 ms;
 * - Node itself, by node:ffi and process.execve: 25 ms more.
 *
 * In both a call is one argument: its name, its number, and its arguments, with spaces between: a number; `=` and
 * memory in hexadecimal; `~` and a seccomp filter in hexadecimal, which stands for a struct sock_fprog that leads to it.
 */

/** An argument of a call: a number, text, memory, or a seccomp filter in which OWN_PID is to be put in. */
export type StepArgument = number | string | Buffer | { readonly filter: Buffer };

export interface Step {
  readonly call: SystemCall;
  readonly args: readonly StepArgument[];
}

export const step = (call: SystemCall, ...args: readonly StepArgument[]): Step => ({ call, args });

/** A program to be started, with its arguments. */
export type Command = readonly [program: string, args: readonly string[]];

/** Ends with it when a call fails; what failed is on stderr. */
export const LAUNCH_FAILED_EXIT_CODE = 126;

const PERL = '/usr/bin/perl';

/** OWN_PID as it lies in a filter. */
const OWN_PID_BYTES = Buffer.from(Uint32Array.of(OWN_PID).buffer);

const perlEscapes = [...OWN_PID_BYTES].map((byte) => `\\x${byte.toString(16)}`).join('');

const PERL_SCRIPT = String.raw`
my $filter;
sub argument {
  my ($text) = @_;
  return pack('H*', $1) if $text =~ /^=(.*)/;
  return 0 + $text unless $text =~ /^~(.*)/;
  $filter = pack('H*', $1);
  my $pid = pack('L', $$);
  $filter =~ s/${perlEscapes}/$pid/sg;
  return pack('S x![P] P', length($filter) / 8, $filter);
}
while (defined(my $call = shift @ARGV)) {
  last if $call eq '--';
  my ($name, $number, @words) = split / /, $call;
  my @arguments = map { argument($_) } @words;
  next if syscall(0 + $number, @arguments) != -1;
  print STDERR "$name: $!\n";
  exit ${LAUNCH_FAILED_EXIT_CODE};
}
exec { $ARGV[0] } @ARGV;
print STDERR "exec $ARGV[0]: $!\n";
exit ${LAUNCH_FAILED_EXIT_CODE};
`;

const NODE_SCRIPT = String.raw`
const ffi = require('node:ffi');
const { functions: c } = ffi.dlopen(null, {
  syscall: { arguments: ['int64', ...Array(6).fill('pointer')], return: 'int64' },
  __errno_location: { arguments: [], return: 'pointer' },
});
const kept = [];
function argument(text) {
  if (text[0] !== '=' && text[0] !== '~') return BigInt.asUintN(64, BigInt(text));
  const memory = Buffer.from(text.slice(1), 'hex');
  kept.push(memory);
  if (text[0] === '=') return memory;
  for (let at; (at = memory.indexOf('${OWN_PID_BYTES.toString('hex')}', 'hex')) !== -1; ) memory.writeUInt32LE(process.pid, at);
  const program = Buffer.alloc(16);
  program.writeUInt16LE(memory.length / 8, 0);
  program.writeBigUInt64LE(ffi.getRawPointer(memory), 8);
  kept.push(program);
  return program;
}
function fail(message) {
  require('node:fs').writeSync(2, message + '\n');
  process.exit(${LAUNCH_FAILED_EXIT_CODE});
}
const end = process.argv.indexOf('--');
for (const call of process.argv.slice(1, end)) {
  const [name, number, ...words] = call.split(' ');
  const given = words.map(argument);
  while (given.length < 6) given.push(0n);
  if (c.syscall(BigInt(number), ...given) === -1n) {
    fail(name + ': ' + require('node:util').getSystemErrorName(-ffi.getInt32(c.__errno_location(), 0)));
  }
}
const command = process.argv.slice(end + 1);
try {
  process.execve(command[0], command, process.env);
} catch (error) {
  fail(error.message);
}
`;

const hex = (memory: Buffer): string => memory.toString('hex');

function encodeArgument(argument: StepArgument): string {
  if (typeof argument === 'number') return String(argument);
  if (typeof argument === 'string') return `=${hex(Buffer.from(`${argument}\0`))}`;
  return Buffer.isBuffer(argument) ? `=${hex(argument)}` : `~${hex(argument.filter)}`;
}

function encodeStep({ call, args }: Step): string {
  const number = ARCHITECTURES[process.arch]?.numberOf(call) ?? null;
  if (number === null) throw new WasmletError('Internal', `${process.arch} has no system call ${call}`);
  return [call, number, ...args.map(encodeArgument)].join(' ');
}

/** What runs the steps: the cheaper one that this machine has. */
export type LauncherKind = 'perl' | 'node';

export const findLauncher = (): LauncherKind => (existsSync(PERL) ? 'perl' : 'node');

const STDERR = 2;
const F_SETFD = 2;

/** Node has all but standard input and output closed when it becomes something else, unless told otherwise. */
const keep = (descriptor: number): Step => step('fcntl', descriptor, F_SETFD, 0);

/**
 * The command that makes system calls, in order, and then becomes a program.
 * @param kept the program inherits the descriptors up to this one
 * @param program its path as it is after the calls, with its arguments
 */
export function launch(kind: LauncherKind, steps: readonly Step[], kept: number, [program, args]: Command): Command {
  const inherited = Array.from({ length: kept - STDERR }, (_, index) => keep(STDERR + 1 + index));
  const calls = [...[...inherited, ...steps].map(encodeStep), '--', program, ...args];
  if (kind === 'perl') return [PERL, ['-e', PERL_SCRIPT, '--', ...calls]];
  return [process.execPath, ['--no-warnings', '-e', NODE_SCRIPT, '--', ...calls]];
}
