import { expect, test } from 'vitest';
import { makeNode, makePod } from '../testing/fixtures.ts';
import { sysctls } from './sysctls.ts';

const judge = (names: readonly string[], spec: { hostNetwork?: boolean; hostIPC?: boolean } = {}) =>
  sysctls({
    pod: makePod({ ...spec, securityContext: { sysctls: names.map((name) => ({ name, value: '1' })) } }),
    node: makeNode(),
    otherPods: [],
    runtimeHandler: 'wasm',
    config: { runtimeHandlers: {} },
  });

test('a pod without sysctls is let pass', () => {
  expect(judge([])).toBeUndefined();
});

test.each([
  [['kernel.msgmax'], {}, 'forbidden sysctl: "kernel.msgmax" not allowlisted'],
  [['kernel/msgmax'], {}, 'forbidden sysctl: "kernel.msgmax" not allowlisted'],
  [['kernel.shm_rmid_forced', 'kernel.msgmax'], {}, 'forbidden sysctl: "kernel.msgmax" not allowlisted'],
  [
    ['net.ipv4.tcp_syncookies'],
    { hostNetwork: true },
    'forbidden sysctl: "net.ipv4.tcp_syncookies" not allowed with host Net enabled',
  ],
  [
    ['kernel.shm_rmid_forced'],
    { hostIPC: true },
    'forbidden sysctl: "kernel.shm_rmid_forced" not allowed with host IPC enabled',
  ],
])('%s with %o is forbidden in the words of the kubelet', (names, spec, message) => {
  expect(judge(names, spec)).toEqual({ reason: 'SysctlForbidden', message });
});

test('one that a kubelet would set is refused, with what to change', () => {
  expect(judge(['kernel.shm_rmid_forced', 'net/ipv4/tcp_rmem'])).toMatchObject({ reason: 'UnsupportedPodSpec' });
});
