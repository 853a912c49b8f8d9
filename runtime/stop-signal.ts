export const DEFAULT_STOP_SIGNAL = 'SIGTERM';

/** By their numbers in WASI Preview 1, `signal`. */
const SIGNALS = [
  ...['', 'HUP', 'INT', 'QUIT', 'ILL', 'TRAP', 'ABRT', 'BUS', 'FPE', 'KILL', 'USR1', 'SEGV', 'USR2', 'PIPE', 'ALRM'],
  ...['TERM', 'CHLD', 'CONT', 'STOP', 'TSTP', 'TTIN', 'TTOU', 'URG', 'XCPU', 'XFSZ', 'VTALRM', 'PROF', 'WINCH', 'POLL'],
  ...['PWR', 'SYS'],
];
const TERM = SIGNALS.indexOf('TERM');
/** Other names of the same. */
const ALIASES: Readonly<Record<string, string>> = { CLD: 'CHLD', IOT: 'ABRT', IO: 'POLL' };

/**
 * What a guest is told of a stop.
 * @param stopSignal as pods name it: 'SIGUSR1', 'SIGRTMIN+3', …; without it SIGTERM
 * @returns the number in Preview 1; SIGTERM's for one that it does not number
 */
export function stopSignalNumber(stopSignal = DEFAULT_STOP_SIGNAL): number {
  const name = stopSignal.replace(/^SIG/, '');
  const number = SIGNALS.indexOf(ALIASES[name] ?? name);
  return number > 0 ? number : TERM;
}
