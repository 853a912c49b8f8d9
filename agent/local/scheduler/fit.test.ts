import { expect, test } from 'vitest';
import type { Pod, PodSpec } from '../../kube/types.ts';
import { container, makeNode, makePod } from '../../pods/testing/fixtures.ts';
import { reasonsAgainst } from './fit.ts';
import { Taken } from './taken.ts';

const asks = (resources: Readonly<Record<string, string>>) => ({ resources: { requests: resources } });
const onPort = (hostIP: string) =>
  makePod({ containers: [container('app', { ports: [{ containerPort: 80, hostPort: 80, hostIP }] })] });
const takenBy = (...pods: readonly Pod[]): Taken => {
  const taken = new Taken();
  for (const [index, pod] of pods.entries()) taken.add(`default/p${index}`, pod);
  return taken;
};
const refuses: [string, Partial<PodSpec>, string[]][] = [
  ['nothing where all is there', { containers: [container('app', asks({ cpu: '2', memory: '1Gi' }))] }, []],
  [
    'another node',
    { nodeSelector: { 'kubernetes.io/os': 'linux' } },
    ["node(s) didn't match Pod's node affinity/selector"],
  ],
  [
    'each resource that is short',
    { containers: [container('app', asks({ cpu: '3', memory: '2Gi' }))] },
    ['Insufficient cpu', 'Insufficient memory'],
  ],
  [
    'what an init container needs beside the sidecars before it',
    {
      initContainers: [
        container('side', { restartPolicy: 'Always', ...asks({ cpu: '1500m' }) }),
        container('first', asks({ cpu: '1' })),
      ],
    },
    ['Insufficient cpu'],
  ],
];

test.each(refuses)('a pod is kept from a node by %s', (_, spec, reasons) => {
  expect(reasonsAgainst(makePod(spec), makeNode(), takenBy())).toEqual(reasons);
});

test('a port of the node is free where another pod has it on another of its addresses', () => {
  expect(reasonsAgainst(onPort('127.0.0.1'), makeNode(), takenBy(onPort('127.0.0.2')))).toEqual([]);
  expect(reasonsAgainst(onPort('127.0.0.1'), makeNode(), takenBy(onPort('')))).toEqual([
    "node(s) didn't have free ports for the requested pod ports",
  ]);
});

test('taints keep a pod away that does not tolerate them, but for those that only prefer to', () => {
  const taints = [{ key: 'a', value: 'b', effect: 'NoSchedule' }];
  const node = makeNode({ spec: { taints } });
  expect(reasonsAgainst(makePod(), node, takenBy())).toEqual(['node(s) had untolerated taint(s)']);
  expect(reasonsAgainst(makePod({ tolerations: [{ operator: 'Exists' }] }), node, takenBy())).toEqual([]);
  const cordoned = makeNode({ spec: { unschedulable: true } });
  expect(reasonsAgainst(makePod(), cordoned, takenBy())).toEqual(['node(s) were unschedulable']);
  const preferring = makeNode({ spec: { taints: [{ key: 'a', effect: 'PreferNoSchedule' }] } });
  expect(reasonsAgainst(makePod(), preferring, takenBy())).toEqual([]);
});

test('a node takes no more pods than it says', () => {
  const node = makeNode({ status: { allocatable: { pods: '1' } } });
  expect(reasonsAgainst(makePod(), node, takenBy(makePod()))).toEqual(['Too many pods']);
});

test('what a pod has taken is free again when it goes, and is not taken twice when it changes', () => {
  const taken = takenBy(makePod({ containers: [container('app', asks({ cpu: '1500m' }))] }));
  taken.add('default/p0', makePod({ containers: [container('app', asks({ cpu: '1' }))] }));
  const wants = makePod({ containers: [container('app', asks({ cpu: '1500m' }))] });
  expect([taken.count, taken.amountOf('cpu')]).toEqual([1, 1000]);
  expect(reasonsAgainst(wants, makeNode(), taken)).toEqual(['Insufficient cpu']);
  expect([taken.remove('default/p0'), taken.remove('default/p0')]).toEqual([true, false]);
  expect(reasonsAgainst(wants, makeNode(), taken)).toEqual([]);
});
