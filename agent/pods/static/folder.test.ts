import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { silentLogger } from '../../../base/log.ts';
import type { Pod } from '../../kube/types.ts';
import { followManifests } from './folder.ts';
import { PATIENCE } from '../../../test/support/patience.ts';

let folder: string;
let seen: string[][];
let stop: AbortController;
let following: Promise<void>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wasmlet-manifests-'));
  seen = [];
  stop = new AbortController();
  following = Promise.resolve();
});

afterEach(async () => {
  stop.abort();
  await following;
  await rm(folder, { recursive: true, force: true });
});

const manifest = (name: string, label = ''): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { label } },
    spec: { containers: [{ name: 'app', image: 'example.test/app:1' }] },
  });

const describePod = ({ metadata }: Pod): string =>
  `${metadata?.name ?? ''} ${metadata?.labels?.['label'] ?? ''}`.trim();

function follow(path = folder, checkMs = 60_000): void {
  const onPods = (pods: readonly Pod[]): void => void seen.push(pods.map(describePod));
  following = followManifests({ path, nodeName: 'n', checkMs, onPods, logger: silentLogger }, stop.signal);
}

const write = (name: string, text: string): Promise<void> => writeFile(join(folder, name), text);
const untilSeen = (...pods: string[]) => vi.waitFor(() => expect(seen.at(-1)).toEqual(pods), PATIENCE);

test('pods come, change and go with their files', async () => {
  await write('a.yaml', manifest('a'));
  follow();
  await untilSeen('a-n');
  await write('b.json', manifest('b'));
  await untilSeen('a-n', 'b-n');
  await write('b.json', manifest('b', 'changed'));
  await untilSeen('a-n', 'b-n changed');
  await rename(join(folder, 'b.json'), join(folder, '.hidden'));
  await untilSeen('a-n');
  await rm(join(folder, 'a.yaml'));
  await untilSeen();
});

test('folders and files whose names begin with a dot are passed over, and what is no pod', async () => {
  await mkdir(join(folder, 'inner'));
  await writeFile(join(folder, 'inner/a.yaml'), manifest('a'));
  await write('.b.yaml', manifest('b'));
  await write('c.txt', 'not a pod');
  await write('d.yaml', manifest('d'));
  follow();
  await untilSeen('d-n');
});

test('of two pods of one name the last by the names of their files counts', async () => {
  await write('1.yaml', manifest('a', 'first'));
  await write('2.yaml', manifest('a', 'second'));
  follow();
  await untilSeen('a-n second');
});

test('a file that is being written keeps its pod until the next regular look', async () => {
  await write('a.yaml', manifest('a'));
  follow(folder, 1500);
  await untilSeen('a-n');
  await write('a.yaml', '{"apiVersion": "v1", "kind"');
  await write('b.yaml', manifest('b'));
  await untilSeen('a-n', 'b-n');
  await untilSeen('b-n');
});

test('the path may be of one file, and need not be there yet', async () => {
  const file = join(folder, 'later', 'pod.yaml');
  follow(file, 200);
  await untilSeen();
  await mkdir(join(folder, 'later'));
  await writeFile(file, manifest('a'));
  await untilSeen('a-n');
});
