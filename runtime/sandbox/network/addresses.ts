import { isIP, isIPv4 } from 'node:net';
import { z } from 'zod';
import { WasmletError } from '../../../base/errors.ts';

/** What of an ADD's result counts here (https://www.cni.dev/docs/spec/#section-5-result-types). */
const addResult = z.object({
  interfaces: z.array(z.object({ name: z.string(), sandbox: z.string().default('') })).default([]),
  ips: z.array(z.object({ address: z.string(), interface: z.number().int().exactOptional() })).default([]),
});

/**
 * The pod's addresses in the result of its ADD: those of interfaces inside the namespace. The first of IPv4 leads, as
 * it does with containerd (its setting ip_pref).
 * @throws WasmletError FailedPrecondition when there is none, in containerd's words
 */
export function podAddresses(result: unknown, ifName: string): string[] {
  const parsed = addResult.safeParse(result);
  if (!parsed.success) {
    throw new WasmletError('FailedPrecondition', 'the result of the network plugins is malformed', {
      cause: parsed.error,
    });
  }
  const { interfaces, ips } = parsed.data;
  const own = ips
    .filter(({ interface: index }) => index === undefined || interfaces[index]?.sandbox !== '')
    .map(({ address }) => address.replace(/\/.*$/, ''))
    .filter((address) => isIP(address) !== 0);
  const first = own.find((address) => isIPv4(address)) ?? own[0];
  if (first === undefined) throw new WasmletError('FailedPrecondition', `failed to find network info for ${ifName}`);
  return [first, ...own.filter((address) => address !== first)];
}
