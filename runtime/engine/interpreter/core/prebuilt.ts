/**
 * Cores that need not be emitted, by the key of their shape, in hexadecimal. None in the repository: the bundle of the host
 * has the common one in place of this file (build/packed-interpreter.ts), which spares each start 80 ms of CPU and 17 MB.
 */
export const PREBUILT: Readonly<Record<string, string>> = {};
