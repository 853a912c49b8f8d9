import { constants } from 'node:os';

/**
 * The name of a stop signal as images give it: 'SIGTERM', 'term', '15', 'SIGRTMIN+3' (containerd's moby/sys/signal).
 * @returns undefined for what names none
 */
export function stopSignalName(text: string): string | undefined {
  if (/^\d+$/.test(text)) return Object.entries(constants.signals).find(([, number]) => number === Number(text))?.[0];
  const name = text.toUpperCase().replace(/^(?:SIG)?/, 'SIG');
  return Object.hasOwn(constants.signals, name) || /^SIGRTM(?:IN(?:\+\d+)?|AX(?:-\d+)?)$/.test(name) ? name : undefined;
}
