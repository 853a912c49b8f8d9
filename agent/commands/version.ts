import { KUBERNETES_VERSION, VERSION } from '../../base/version.ts';

/** `wasmlet version`: the release, and the Kubernetes release whose kubelet it follows. */
export function versionCommand(output: 'text' | 'json'): void {
  const versions = { wasmlet: VERSION, kubernetes: KUBERNETES_VERSION, node: process.versions.node };
  process.stdout.write(
    output === 'json'
      ? `${JSON.stringify(versions)}\n`
      : `wasmlet ${VERSION} (Kubernetes ${KUBERNETES_VERSION}, Node ${process.versions.node})\n`,
  );
}
