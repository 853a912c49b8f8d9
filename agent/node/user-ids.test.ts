import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { testFolder } from '../../runtime/test-folder.ts';
import { userIds, type IdSources } from './user-ids.ts';

interface Machine {
  readonly passwd?: string;
  readonly subuid?: string;
  readonly subgid?: string;
  /** A shell script. */
  readonly getsubids?: string;
}

const KUBELET = 'root:x:0:0::/root:/bin/sh\nkubelet:x:990:990::/:/usr/sbin/nologin\n';

function on<T>({ getsubids, ...files }: Machine, act: (sources: IdSources) => T): T {
  using folder = testFolder();
  const sources = { etc: join(folder.path, 'etc'), path: join(folder.path, 'bin') };
  for (const path of Object.values(sources)) mkdirSync(path);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(sources.etc, name), text);
  if (getsubids !== undefined) {
    writeFileSync(join(sources.path, 'getsubids'), `#!/bin/sh\n${getsubids}\n`, { mode: 0o755 });
  }
  return act(sources);
}

/** What a node with so many pods gives its hosts, or why it does not start. */
const idsOn = (machine: Machine, maxPods = 110, idsPerPod = 65_536) =>
  on(machine, (sources) => {
    try {
      return userIds({ userNamespaces: { idsPerPod }, maxPods }, sources);
    } catch (error) {
      return error;
    }
  });

const refusal = (message: string) =>
  expect.objectContaining({ code: 'InvalidConfig', message: `create user namespace manager: ${message}` }) as unknown;

/** As useradd leaves them: others' entries stand there too. */
const same = (text: string): Machine => ({
  passwd: KUBELET,
  subuid: `somebody:100000:65536\n${text}`,
  subgid: `somebody:100000:65536\n${text}`,
});

const UNUSED = { first: 1_879_048_192, count: 268_435_456, perHost: 65_536 };

describe('the ids that hosts get', () => {
  test.for<[string, Machine]>([
    ['there is no user kubelet', { subuid: 'kubelet:65536:7208960\n', subgid: 'kubelet:65536:7208960\n' }],
    ['it has no entry', same('')],
    ['there are no such files', { passwd: KUBELET }],
    ['there is no passwd', {}],
  ])('are those that nobody is given where %s', ([, machine]) => {
    expect(idsOn(machine)).toEqual(UNUSED);
    // Many pods can share a host.
    expect(idsOn(machine, 10_000)).toEqual(UNUSED);
  });

  test('are those of the user kubelet, by name or number', () => {
    const ids = { first: 65_536, count: 7_208_960, perHost: 65_536 };
    expect(idsOn(same('kubelet:65536:7208960\n'))).toEqual(ids);
    expect(idsOn(same('990:65536:7208960'))).toEqual(ids);
  });

  test('are what getsubids says, where it is installed, and not what the files say', () => {
    const getsubids = 'echo "0: kubelet 131072 14417920"';
    expect(idsOn({ ...same('kubelet:65536:7208960\n'), getsubids }, 110, 131_072)).toEqual({
      first: 131_072,
      count: 14_417_920,
      perHost: 131_072,
    });
  });

  test('are as many as idsPerPod says, at a multiple of it', () => {
    expect(idsOn({}, 110, 3 * 65_536)).toEqual({
      first: 9558 * 3 * 65_536,
      count: 1364 * 3 * 65_536,
      perHost: 3 * 65_536,
    });
    expect(idsOn({}, 500, 16 * 65_536)).toEqual(
      refusal('kubelet user assigned IDs are not enough to support 500 pods'),
    );
  });

  test.for<[Machine, string]>([
    [
      { ...same('kubelet:65536:7208960\n'), getsubids: 'echo no such user >&2; exit 1' },
      'kubelet mappings: error retrieving additional uids for user "kubelet": ',
    ],
    [
      { passwd: KUBELET, getsubids: '[ "$1" != -g ] && echo "0: kubelet 65536 65536"' },
      'kubelet mappings: error retrieving additional gids for user "kubelet": ',
    ],
  ])('are not guessed when getsubids fails', ([machine, message]) => {
    const error = idsOn(machine) as Error;
    expect(error).toMatchObject({ code: 'InvalidConfig' });
    expect(error.message.startsWith(`create user namespace manager: ${message}`)).toBe(true);
  });

  test.for<[string, Machine, string]>([
    [
      'the two files differ',
      { passwd: KUBELET, subuid: 'kubelet:65536:7208960\n', subgid: 'kubelet:131072:7208960\n' },
      'kubelet mappings: mismatched subuids and subgids for user "kubelet"',
    ],
    [
      'one file has no entry',
      { passwd: KUBELET, subuid: 'kubelet:65536:7208960\n' },
      'kubelet mappings: mismatched subuids and subgids for user "kubelet"',
    ],
    [
      'there are two entries',
      same('kubelet:65536:65536\nkubelet:131072:7208960\n'),
      'kubelet mappings: error parsing line "0: kubelet 65536 65536\\n1: kubelet 131072 7208960\\n": it must contain only one line',
    ],
    ['an entry is cut off', same('kubelet:65536\n'), 'kubelet mappings: invalid line "0: kubelet 65536 "'],
    [
      'a number has more than 32 bits',
      same('kubelet:65536:4294967296\n'),
      'kubelet mappings: error parsing line "0: kubelet 65536 4294967296\\n": invalid syntax',
    ],
    [
      'they begin between two ranges',
      same('kubelet:100000:7208960\n'),
      'kubelet user assigned ID 100000 is not a multiple of 65536',
    ],
    [
      'they begin with root',
      same('kubelet:0:7208960\n'),
      'kubelet user assigned ID 0 must be greater or equal to 65536',
    ],
    [
      'they end within a range',
      same('kubelet:65536:7208961\n'),
      'kubelet user assigned IDs length 7208961 is not a multiple of 65536',
    ],
    [
      'they are too few',
      same('kubelet:65536:7143424\n'),
      'kubelet user assigned IDs are not enough to support 110 pods',
    ],
  ])('are refused, in the words of the kubelet, where %s', ([, machine, message]) => {
    expect(idsOn(machine)).toEqual(refusal(message));
  });
});
