import type { SignalSource } from '../../wasi/wasi.ts';

/** The signals of this process by WASI's numbers. Those that Node keeps to itself are none of the guest's. */
const NAMES = new Map<number, NodeJS.Signals>([
  [1, 'SIGHUP'],
  [2, 'SIGINT'],
  [3, 'SIGQUIT'],
  [10, 'SIGUSR1'],
  [12, 'SIGUSR2'],
  [14, 'SIGALRM'],
  [15, 'SIGTERM'],
  [17, 'SIGCONT'],
  [27, 'SIGWINCH'],
]);

/**
 * What is sent to the host process is for its guest. As long as nobody listens a signal has its default, which ends a
 * process also while its guest computes.
 */
export const processSignals: SignalSource = {
  listen(signal, deliver) {
    const name = NAMES.get(signal);
    if (name === undefined) return undefined;
    process.on(name, deliver);
    return { [Symbol.dispose]: () => void process.off(name, deliver) };
  },
};
