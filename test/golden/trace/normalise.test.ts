import { describe, expect, test } from 'vitest';
import { normaliseStatus, normaliseText, type Volatile } from './normalise.ts';

const UID = '0f6c0a3e-1111-2222-3333-444455556666';
const VOLATILE: Volatile = {
  nodeName: 'golden-agent-1',
  namespace: 'golden-0a1b2c3d',
  registry: '127.0.0.1:5000',
  privateRegistry: '127.0.0.1:5001',
  rootDir: '/tmp/wasmlet-x/root',
  uids: [UID],
};
const text = (given: string): string => normaliseText(given, VOLATILE);

describe('a text', () => {
  test.for([
    ['pod_golden-0a1b2c3d(0f6c0a3e-1111-2222-3333-444455556666)', 'pod_<namespace>(<uid>)'],
    ['127.0.0.1:5000/golden/steps:1', 'REGISTRY/golden/steps:1'],
    ['127.0.0.1:5001/golden/steps:1', 'PRIVATE_REGISTRY/golden/steps:1'],
    ['dial tcp 127.0.0.1:1: connect', 'dial tcp <ip>:1: connect'],
    ['read tcp 127.0.0.1:40112->127.0.0.1:8080: reset', 'read tcp <ip>:<port>-><ip>:8080: reset'],
    ['http://127.0.0.1:8080/', 'http://<ip>:<port>/'],
    [`steps@sha256:${'0a'.repeat(32)}`, 'steps@sha256:<digest>'],
    [`sandbox ${'0a'.repeat(32)}`, 'sandbox <id>'],
    ['in 12ms (1.5s including waiting). Image size: 42 bytes.', 'in <duration>. Image size: <n> bytes.'],
    ['requested: 1000, used: 0, capacity: 2000', 'requested: 1000, used: <n>, capacity: <n>'],
    ['failed at 2026-11-21T14:40:07.123Z', 'failed at <time>'],
    ['volume "kube-api-access-x7k2p"', 'volume "kube-api-access-<suffix>"'],
    [`/tmp/wasmlet-x/root/pods/${UID}/volumes`, '<root>/pods/<uid>/volumes'],
    ['node golden-agent-1', 'node <node>'],
  ] as const)('%s becomes %s', ([given, expected]) => {
    expect(text(given)).toBe(expected);
  });

  test.for(['back-off 10s restarting failed container', 'exit code 137', 'sha256 of nothing', 'port 8080 of 3'])(
    'keeps what is the same in each run: %s',
    (given) => {
      expect(text(given)).toBe(given);
    },
  );
});

describe('a status', () => {
  test('keeps that a time is there, and not which', () => {
    expect(normaliseStatus({ startTime: '2026-01-01T00:00:00Z' }, VOLATILE)).toEqual({ startTime: '<time>' });
  });

  test('keeps the runtime of a container id, and not the id', () => {
    expect(normaliseStatus({ containerID: 'wasmlet://abc' }, VOLATILE)).toEqual({ containerID: 'wasmlet://<id>' });
  });

  test('has its conditions by type: their order means nothing', () => {
    const conditions = [
      { type: 'Ready', status: 'True', lastProbeTime: null },
      { type: 'Initialized', status: 'True' },
    ];
    expect(normaliseStatus({ conditions }, VOLATILE)).toEqual({
      conditions: { Initialized: { status: 'True' }, Ready: { status: 'True' } },
    });
  });

  test('has its keys sorted, whatever their order was', () => {
    expect(Object.keys(normaliseStatus({ b: 1, a: 2 }, VOLATILE) as object)).toEqual(['a', 'b']);
  });

  test('tells an empty list from none', () => {
    expect(normaliseStatus({ podIPs: [] }, VOLATILE)).toEqual({ podIPs: [] });
    expect(normaliseStatus({ podIPs: undefined }, VOLATILE)).toEqual({});
  });
});
