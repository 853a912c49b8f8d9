/** Specs whose result is not the node's alone, and why. They are run and reported, but not held to be known to pass. */
export const BY_CHANCE: ReadonlyMap<string, string> = new Map([
  [
    '[sig-node] Pods should support retrieving logs from the container over websockets [NodeConformance] [Conformance]',
    'reads the log once, as soon as the pod is Running, without following it: a kubelet takes a second until it says ' +
      'so, this agent a few milliseconds, in which a program that starts has not always printed its line',
  ],
]);
