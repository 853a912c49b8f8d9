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

/** WASI Preview 1, `signal`: the one that always comes from outside. */
export const TERM = 15;

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

/**
 * The same, where the signal that stops the container is another: SIGTERM is what always comes, for whatever the pod
 * asks: it ends at once a guest that takes no signals, and Node lets neither SIGUSR1 nor those of faults through.
 * @param stopSignal by its number in Preview 1
 */
export const stoppedBy = (source: SignalSource, stopSignal: number): SignalSource => ({
  listen(signal, deliver) {
    if (signal === stopSignal) return source.listen(TERM, deliver);
    return signal === TERM ? undefined : source.listen(signal, deliver);
  },
});
