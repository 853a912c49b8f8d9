import type { Preview1Functions } from '../preview1/function.ts';
import type { Preview1State } from '../preview1/state.ts';
import { addressInfoFunctions } from './addrinfo.ts';
import { extensionFunctions } from './sockets.ts';

/** Preview 1's own functions on sockets, which WasmEdge has under a second name too. */
const SHARED = ['sock_accept', 'sock_recv', 'sock_send', 'sock_shutdown'];

/**
 * WasmEdge's socket extension of `wasi_snapshot_preview1`, both versions, as docs/sockets.md specifies it: functions to
 * be put beside those of Preview 1. A guest without a network has none of them.
 * @param preview1 the functions of Preview 1
 */
export function wasmedgeFunctions(state: Preview1State, preview1: Preview1Functions): Preview1Functions {
  const { network } = state;
  if (network === undefined) return {};
  const own = { ...extensionFunctions(state, network), ...addressInfoFunctions(state, network) };
  const shared = Object.entries(preview1).filter(([name]) => SHARED.includes(name));
  const second = [...Object.entries(own), ...shared].map(([name, entry]) => [`${name}_v2`, entry] as const);
  return { ...own, ...Object.fromEntries(second) };
}
