import { describe, expect, test } from 'vitest';
import type { Image } from '../../images/service.ts';
import { linuxSecurityContext, verifyRunAsNonRoot } from './security-context.ts';
import { container, image, makePod } from './testing/fixtures.ts';

const withUser = (user: string): Image => ({ ...image, config: { ...image.config, user } });

describe('a container that must not run as root', () => {
  const verify = (podUser: number | undefined, ownUser: number | undefined, imageUser: string): string => {
    const user = (runAsUser: number | undefined) => (runAsUser === undefined ? {} : { runAsUser });
    const app = container('app', { securityContext: { runAsNonRoot: true, ...user(ownUser) } });
    const pod = makePod({ containers: [app], securityContext: user(podUser) });
    try {
      verifyRunAsNonRoot(pod, app, withUser(imageUser));
      return 'runs';
    } catch (error) {
      return (error as Error).message;
    }
  };
  const where = '(pod: "web_default(uid-1)", container: app)';

  test.each([
    [undefined, undefined, '', `container has runAsNonRoot and image will run as root ${where}`],
    [undefined, undefined, '0', `container has runAsNonRoot and image will run as root ${where}`],
    [undefined, undefined, '0:5', `container has runAsNonRoot and image will run as root ${where}`],
    [
      undefined,
      undefined,
      'root:root',
      `container has runAsNonRoot and image has non-numeric user (root), cannot verify user is non-root ${where}`,
    ],
    [
      undefined,
      undefined,
      '3000000000',
      'container has runAsNonRoot and image has an invalid user id (3000000000). ' +
        `(Must be 1-(2147483647)): must be between 0 and 2147483647, inclusive ${where}`,
    ],
    [undefined, undefined, '65532:65532', 'runs'],
    [0, undefined, '65532', `container's runAsUser breaks non-root policy ${where}`],
    [0, 1000, '', 'runs'],
    [1000, 0, '', `container's runAsUser breaks non-root policy ${where}`],
    [1000, undefined, 'web', 'runs'],
  ])('of user %s, its own %s, the image %j: %s', (podUser, ownUser, imageUser, outcome) => {
    expect(verify(podUser, ownUser, imageUser)).toBe(outcome);
  });

  test('is one whose pod says so, unless it says otherwise itself', () => {
    const securityContext = { runAsNonRoot: true };
    const own = container('app', { securityContext: { runAsNonRoot: false } });
    expect(() => verifyRunAsNonRoot(makePod({ securityContext }), container('app'), image)).toThrow('run as root');
    expect(() => verifyRunAsNonRoot(makePod({ securityContext }), own, image)).not.toThrow();
    expect(() => verifyRunAsNonRoot(makePod(), container('app'), image)).not.toThrow();
  });
});

describe('what the runtime is told', () => {
  test('is root without groups where nothing is said', () => {
    expect(linuxSecurityContext(makePod(), container('app'), image)).toEqual({
      runAsUser: 0,
      supplementalGroups: [],
      readonlyRootfs: false,
    });
  });

  test("is the image's user, by number or by name", () => {
    expect(linuxSecurityContext(makePod(), container('app'), withUser('101:102'))).toMatchObject({ runAsUser: 101 });
    const byName = linuxSecurityContext(makePod(), container('app'), withUser('web'));
    expect(byName).toMatchObject({ runAsUsername: 'web' });
    expect(byName).not.toHaveProperty('runAsUser');
  });

  test("is the pod's, and over it the container's, with fsGroup before the other groups", () => {
    const pod = makePod({
      securityContext: { runAsUser: 1, runAsGroup: 2, fsGroup: 3, supplementalGroups: [4, 5] },
    });
    const app = container('app', { securityContext: { runAsUser: 10, readOnlyRootFilesystem: true } });
    expect(linuxSecurityContext(pod, app, withUser('7'))).toEqual({
      runAsUser: 10,
      runAsGroup: 2,
      supplementalGroups: [3, 4, 5],
      readonlyRootfs: true,
    });
  });
});
