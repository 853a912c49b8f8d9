/**
 * Names of one option in its three places: kubeAPIQPS in the file, --kube-api-qps as a flag, WASMLET_KUBE_API_QPS in
 * the environment.
 */

/** Abbreviations that are words of their own, as in kubelet's own flag names (--kube-api-qps). */
const WORD = /API|QPS|CA|ID|IP|[A-Z]?[a-z0-9]+|[A-Z]+/g;

const wordsOf = (key: string): string[] => (key.match(WORD) ?? [key]).map((word) => word.toLowerCase());

/** 'kubeAPIQPS' to 'kube-api-qps'. */
export const flagName = (key: string): string => wordsOf(key).join('-');

/** 'kubeAPIQPS' to 'WASMLET_KUBE_API_QPS'. */
export const environmentName = (key: string): string => `WASMLET_${wordsOf(key).join('_').toUpperCase()}`;
