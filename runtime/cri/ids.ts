import { WasmletError } from '../../base/errors.ts';
import type { CriContext } from './context.ts';

const FULL_ID = /^[0-9a-f]{64}$/;

/** As containerd: the beginning of an id stands for it where only one begins so; crictl shows 13 digits. */
async function expand(what: string, id: string, list: () => Promise<readonly { readonly id: string }[]>) {
  if (FULL_ID.test(id)) return id;
  const matching = id === '' ? [] : (await list()).filter((entry) => entry.id.startsWith(id));
  const [first] = matching;
  if (first === undefined) throw new WasmletError('NotFound', `no ${what} ${JSON.stringify(id)}`);
  if (matching.length === 1) return first.id;
  throw new WasmletError('InvalidArgument', `the ids of several begin with ${JSON.stringify(id)}: give more of it`);
}

/** @throws WasmletError NotFound; InvalidArgument for a beginning of several ids */
export const containerId = ({ runtime }: CriContext, id: string): Promise<string> =>
  expand('container', id, () => runtime.listContainers());

/** @throws WasmletError NotFound; InvalidArgument for a beginning of several ids */
export const sandboxId = ({ runtime }: CriContext, id: string): Promise<string> =>
  expand('pod sandbox', id, () => runtime.listPodSandbox());
