import type { ListedDifference } from './trace/listed.ts';

/** Cases whose pods ask for what a Wasm node does not have: it says so at once, where a kubelet tries. */
const NOT_OFFERED = /^(privileged|share-process-namespace|runtime-handler-unknown|volume-(claim-missing|csi-missing))$/;
/** Cases whose image cannot be had. */
const PULL_FAILS = /^(pull-|image-linux|module-not-wasm|delete-in-pull-back-off|static-pull|ephemeral-container-pull)/;

/**
 * The differences from a kubelet that are known, each with its reason; those that should not be are in
 * docs/conformance.md too, with what it would take. An entry that no case needs any more fails the test.
 */
export const DIFFERENCES: readonly ListedDifference[] = [
  {
    cases: NOT_OFFERED,
    field: /./,
    why: 'a pod that asks for what this node cannot offer is Failed at once, with what to change; a kubelet over the same runtime starts it without, or waits for ever (docs/RATIONALE.md)',
  },
  {
    field: /^calls: get (configmaps|secrets)$/,
    kubelet: /^0$/,
    why: 'a kubelet keeps a watch open for each ConfigMap and Secret, we read them when they are needed and keep them for a minute',
  },
  {
    byChance: true,
    field: /^calls: create serviceaccounts\/token$/,
    why: 'the Node authorizer may learn of a pod after us and refuses until then: we ask again; a kubelet asks later',
  },
  {
    cases: /^(static-)?deadline/,
    field: /^events of Pod pod(-<node>)?$/,
    kubelet: /DeadlineExceeded from kubelet \(again and again\)/,
    ours: /DeadlineExceeded from kubelet: /,
    why: 'a kubelet tells at each look that the deadline has passed, we tell once',
  },
  {
    byChance: true,
    cases: PULL_FAILS,
    field: /^events of Pod pod(-<node>)? spec\.(initC|ephemeralC|c)ontainers/,
    kubelet: /\(again and again\)|BackOff/,
    why: 'a kubelet pulls once more before it shows the back-off, we show it a second after the first failure',
  },
  {
    byChance: true,
    cases: /^(exit-1-on-failure|exit-0-always|init-fails-always|delete-crash-looping)$/,
    field: /container (app|init)$|condition (Containers)?Ready$/,
    why: 'a kubelet shows a back-off at its next look only, which in the first ten seconds may be the restart; we show it when it begins',
  },
  {
    byChance: true,
    field: /^events of /,
    kubelet: /BackOff.*: Back-off restarting failed container/,
    ours: /BackOff.*: Back-off restarting failed container/,
    why: 'whether a back-off is told a second time within it is a matter of when it is looked at',
  },
  {
    byChance: true,
    cases: /^delete-crash-looping$/,
    field: /restartCount$|^events of Pod pod spec/,
    why: 'as above: when the kubelet shows the back-off it is about to restart the container, which the deletion then finds running',
  },
  {
    byChance: true,
    cases: /^hostname-fqdn-too-long$/,
    field: /^events of Pod pod$/,
    kubelet: /FailedCreatePodSandBox/,
    ours: /FailedCreatePodSandBox.*\(again and again\)/,
    why: 'a kubelet tries again after ten seconds or more, we after one at first',
  },
  {
    cases: /^refused-os$/,
    field: /phase$|end\.message$|^events/,
    kubelet: /node OS"?$/,
    ours: /this node runs WebAssembly/,
    why: 'we say what to change',
  },
  {
    field: /: end\.resources\./,
    kubelet: null,
    why: 'a kubelet reads the limits of a pod that runs from its cgroups, of which this one has none',
  },
  {
    cases: /^resources-of-pod$/,
    field: /^events of Pod pod$/,
    kubelet: /Resize(Error|Completed)/,
    ours: null,
    why: 'this kubelet has no cgroups and takes the limits of a pod as a whole for a resize that failed',
  },
  {
    byChance: true,
    cases: /^static-(runs|init-and-probe|changed|same-name|removed-)/,
    field: /^pod pod-<node>: (phase|condition|container|init container|end\.)/,
    why: 'whether the last status of a static pod is written before its mirror is deleted is a matter of moments',
  },
  {
    byChance: true,
    cases: /^static-removed-and-back$/,
    field: /^calls: patch pods\/status$/,
    why: 'as above: the last status of the pod that ends may be written as well',
  },
  {
    cases: /^static-mirror-force-deleted$/,
    field: /(deletion|phase|gone)$|^calls: create pods$/,
    why: 'a kubelet makes a mirror that was deleted by force anew at its next look at the pod, a minute or more later; we do so at once',
  },
  {
    cases: /^static-removed-waits-back$/,
    field: /^events of Pod pod-<node>$/,
    kubelet: /SandboxChanged/,
    ours: null,
    why: 'what ran of a pod whose manifest is gone is removed at once; a kubelet lets it lie for a minute, and a manifest that comes back meanwhile has it for its past',
  },
];
