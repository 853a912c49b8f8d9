/** A spec that no Wasm workload can pass, and why. */
export interface Impossible {
  /** Matches the spec's full text. */
  readonly name: RegExp;
  readonly reason: string;
}

const LINUX_NETWORK = 'creates a network device with `ip link`: a Wasm guest has no system calls to do so with';
const REGAINS_ROOT =
  'a program that is not root becomes root again by a set-user-id file (execve): WebAssembly has no such programs';
const IPC_NAMESPACE = "reads a kernel parameter of the pod's own IPC namespace below /proc/sys: a guest sees no /proc";

/** What is counted as impossible by name, and nothing else: all other specs count as passed or not. */
export const IMPOSSIBLE: readonly Impossible[] = [
  { name: /PrivilegedPod .* should enable privileged commands/, reason: LINUX_NETWORK },
  {
    name: /Security Context when creating containers with AllowPrivilegeEscalation should allow/,
    reason: REGAINS_ROOT,
  },
  { name: /Sysctls .* should support sysctls/, reason: IPC_NAMESPACE },
];

/** Why a spec is impossible; undefined when it is not. */
export function whyImpossible(spec: string): string | undefined {
  return IMPOSSIBLE.find(({ name }) => name.test(spec))?.reason;
}
