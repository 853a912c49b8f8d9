/** The release, as in package.json (a test holds the two together). */
export const VERSION = '0.1.0';

/** The kubelet release whose behaviour wasmlet follows, reported as nodeInfo.kubeletVersion's base. */
export const KUBERNETES_VERSION = 'v1.36.3';
