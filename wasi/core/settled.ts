/** What is to be called, by the promise that is waited for. */
const callbacks = new WeakMap<Promise<unknown>, Set<() => void>>();

/**
 * Calls back once a promise is settled, unless disposed of before. Promise.race would keep a reaction at a promise that
 * stays pending for each time that it lost: a guest that polls its input by the second would fill its host's memory.
 * Here a promise has one reaction, however often it is waited for.
 */
export function onceSettled(promise: Promise<unknown>, callback: () => void): Disposable {
  const waiting = callbacks.get(promise) ?? listenTo(promise);
  waiting.add(callback);
  return { [Symbol.dispose]: () => void waiting.delete(callback) };
}

function listenTo(promise: Promise<unknown>): Set<() => void> {
  const waiting = new Set<() => void>();
  callbacks.set(promise, waiting);
  const tell = (): void => {
    for (const callback of waiting) callback();
  };
  promise.then(tell, tell);
  return waiting;
}
