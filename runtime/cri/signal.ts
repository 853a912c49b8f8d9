/** CRI's enum has no name with a sign in it. */
const UNSAID = 'RUNTIME_DEFAULT';

/** A `Signal` of CRI as pods name it: 'SIGRTMIN+3'; undefined when the runtime is to choose. */
export const signalFromCri = (signal: string): string | undefined =>
  signal === UNSAID ? undefined : signal.replace('PLUS', '+').replace('MINUS', '-');

/** A signal as pods name it, as a `Signal` of CRI. */
export const signalToCri = (signal: string | undefined): string =>
  signal?.replace('+', 'PLUS').replace('-', 'MINUS') ?? UNSAID;
