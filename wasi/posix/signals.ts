import { SignalInput } from '../core/signals.ts';
import { STDIN_RIGHTS } from '../preview1/abi.ts';
import { plain, suspending, type Preview1Functions } from '../preview1/function.ts';
import { checkSignal, raise } from '../preview1/process.ts';
import type { Preview1State } from '../preview1/state.ts';
import type { Children } from './children.ts';
import { pidOf } from './identity.ts';

/** Signals that the guest takes itself, and those that it sends. */
export function signalFunctions(state: Preview1State, children: Children): Preview1Functions {
  const { memory, eventLoop, descriptors, signals } = state;
  return {
    /** Begins and ends to take signals oneself. */
    signal_subscribe: plain((set: bigint, oldOut: number) => {
      if (oldOut !== 0) memory.check(oldOut, 8);
      const old = signals.subscribed;
      signals.subscribe(BigInt.asUintN(64, set));
      if (oldOut !== 0) memory.setU64(oldOut, old);
    }),
    /** Takes one that waits. Lets the event loop turn when that is due: only then does a signal come. */
    signal_take: suspending((out: number) => {
      memory.check(out, 4);
      const take = (): void => memory.setU32(out, signals.take());
      if (!signals.pending && eventLoop.turnIsDue()) return eventLoop.turn().then(take);
      take();
      return undefined;
    }),
    /** A descriptor that signals are read from. */
    signal_fd: plain((out: number) => {
      memory.check(out, 4);
      const object = new SignalInput(signals);
      memory.setU32(out, descriptors.insert({ object, rightsBase: STDIN_RIGHTS, rightsInheriting: 0, flags: 0 }));
    }),
    /** kill(2); WASIX' name. */
    proc_signal: plain((pid: number, signal: number) => {
      checkSignal(signal);
      if (pid === pidOf(state) || pid === 0) raise(state, signal);
      else children.signal(pid, signal);
    }),
  };
}
