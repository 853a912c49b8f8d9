import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LinuxContainerSecurityContext } from '../service.ts';
import { testFolder } from '../test-folder.ts';
import { resolveIdentity } from './user.ts';

let folder: ReturnType<typeof testFolder>;
let tree: string;
beforeEach(() => {
  folder = testFolder();
  tree = join(folder.path, 'tree');
  mkdirSync(tree);
});
afterEach(() => folder[Symbol.dispose]());

function put(path: string, content: string): void {
  mkdirSync(dirname(join(tree, path)), { recursive: true });
  writeFileSync(join(tree, path), content);
}

const identity = (asked: Partial<LinuxContainerSecurityContext>) =>
  resolveIdentity({ supplementalGroups: [], readonlyRootfs: false, ...asked }, tree);

const PASSWD = 'root:x:0:0:root:/root:/bin/sh\n# a comment\nweb:x:101:102::/srv:\nbad:x:-1:5::/:\nworse:x:1\n';
const GROUP = 'web:x:102:\nadm:x:4:other,web\nroot:x:0:root\nodd:x:none:web\nwheel:x:10:root\n';

describe('an identity', () => {
  test('of a number that no file explains is that number with group 0', () => {
    expect(identity({ runAsUser: 1000 })).toEqual({ uid: 1000, gid: 0, groups: [0] });
    expect(resolveIdentity({ supplementalGroups: [5], readonlyRootfs: false }, undefined)).toEqual({
      uid: 0,
      gid: 0,
      groups: [0, 5],
    });
  });

  test('is completed by passwd and group', () => {
    put('etc/passwd', PASSWD);
    put('etc/group', GROUP);
    expect(identity({ runAsUser: 101 })).toEqual({ uid: 101, gid: 102, groups: [102, 4] });
    expect(identity({ runAsUsername: 'web', supplementalGroups: [4, 7] })).toEqual({
      uid: 101,
      gid: 102,
      groups: [102, 4, 7],
    });
    expect(identity({ runAsUser: 101, runAsGroup: 9 })).toEqual({ uid: 101, gid: 9, groups: [9, 4] });
    expect(identity({})).toEqual({ uid: 0, gid: 0, groups: [0, 10] });
  });

  test('by number outranks the name', () => {
    put('etc/passwd', PASSWD);
    expect(identity({ runAsUser: 5, runAsUsername: 'web' })).toMatchObject({ uid: 5, gid: 0 });
  });

  test.each(['nobody', 'bad', 'worse'])('of a name that stands for no user (%s) is refused', (runAsUsername) => {
    put('etc/passwd', PASSWD);
    expect(() => identity({ runAsUsername })).toThrow(`unable to find user ${runAsUsername}`);
  });
});

describe('an image that is up to something', () => {
  test('gets nothing from outside its tree', () => {
    writeFileSync(join(folder.path, 'passwd'), 'web:x:1:1::/:\n');
    mkdirSync(join(tree, 'etc'));
    symlinkSync('../../passwd', join(tree, 'etc/passwd'));
    expect(() => identity({ runAsUsername: 'web' })).toThrow('unable to find user web');
  });

  test('has its links followed within its tree', () => {
    put('usr/passwd', PASSWD);
    mkdirSync(join(tree, 'etc'));
    symlinkSync('/usr/passwd', join(tree, 'etc/passwd'));
    expect(identity({ runAsUsername: 'web' })).toMatchObject({ uid: 101 });
  });

  test('with a folder or a pipe in place of a file holds nobody up', () => {
    mkdirSync(join(tree, 'etc/passwd'), { recursive: true });
    expect(identity({ runAsUser: 101 })).toMatchObject({ uid: 101, gid: 0 });
    rmSync(join(tree, 'etc/passwd'), { recursive: true });
    execFileSync('mkfifo', [join(tree, 'etc/passwd')]);
    expect(identity({ runAsUser: 101 })).toMatchObject({ uid: 101, gid: 0 });
  });
});
