import { KUBERNETES_VERSION, VERSION } from '../../base/version.ts';

/** What /version answers: the Kubernetes release whose API this follows, and ours. */
export function versionInfo(): Readonly<Record<string, string>> {
  const [, major = '', minor = ''] = /^v(\d+)\.(\d+)/.exec(KUBERNETES_VERSION) ?? [];
  return {
    major,
    minor,
    gitVersion: `${KUBERNETES_VERSION}+wasmlet.${VERSION}`,
    gitCommit: '',
    gitTreeState: '',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: '',
    compiler: 'node',
    platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
  };
}
