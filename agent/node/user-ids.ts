import { execFileSync } from 'node:child_process';
import { constants, accessSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { errnoOf, messageOf, WasmletError } from '../../base/errors.ts';
import { defaultUserIds, type UserIds } from '../../runtime/service.ts';
import type { Config } from '../config/schema.ts';

/**
 * Which ids the node may give its hosts, as the kubelet finds out which it may give pods (pkg/kubelet/kubelet_pods.go,
 * getKubeletMappings; userns/userns_manager.go): those in /etc/subuid and /etc/subgid of the user `kubelet`.
 */

const USER = 'kubelet';

/** Where they are looked for. */
export interface IdSources {
  /** Folder of passwd, subuid and subgid. */
  readonly etc: string;
  /** Folders of programs, as in the environment. */
  readonly path: string;
}

const MACHINE: IdSources = { etc: '/etc', path: process.env['PATH'] ?? '' };

interface Range {
  readonly first: number;
  readonly count: number;
}

/**
 * @returns undefined: hosts cannot have users of their own, or are not to
 * @throws WasmletError InvalidConfig in the kubelet's words for an entry that cannot be used
 */
export function hostUserIds(config: Config, sources = MACHINE): UserIds | undefined {
  if (process.platform !== 'linux' || process.geteuid?.() !== 0 || config.confinement === 'none') return undefined;
  return userIds(config, sources);
}

/** The same whoever asks. */
export function userIds(
  { userNamespaces: { idsPerPod }, maxPods }: Pick<Config, 'userNamespaces' | 'maxPods'>,
  sources: IdSources,
): UserIds {
  const entry = configuredRange(sources);
  const ids = { ...(entry ?? defaultUserIds(idsPerPod)), perHost: idsPerPod };
  // Those of an entry are given for pods. Many pods can share a host: without one, the default of idsPerPod always does.
  const problem = whyUnusable(ids, entry ? maxPods : Math.min(maxPods, MOST_BY_DEFAULT));
  if (problem === undefined) return ids;
  throw new WasmletError('InvalidConfig', `create user namespace manager: ${problem}`);
}

const MOST_BY_DEFAULT = defaultUserIds().count / defaultUserIds().perHost;

function whyUnusable({ first, count, perHost }: UserIds, pods: number): string | undefined {
  if (first % perHost !== 0) return `kubelet user assigned ID ${first} is not a multiple of ${perHost}`;
  if (first < perHost) return `kubelet user assigned ID ${first} must be greater or equal to ${perHost}`;
  if (count % perHost !== 0) return `kubelet user assigned IDs length ${count} is not a multiple of ${perHost}`;
  if (count / perHost < pods) return `kubelet user assigned IDs are not enough to support ${pods} pods`;
  return undefined;
}

/** undefined: nothing is said of the user. */
function configuredRange(sources: IdSources): Range | undefined {
  const uid = userId(sources);
  if (uid === undefined) return undefined;
  const tool = findProgram('getsubids', sources.path);
  const [uids, gids] =
    tool === undefined
      ? [subordinateIds(join(sources.etc, 'subuid'), uid), subordinateIds(join(sources.etc, 'subgid'), uid)]
      : [askTool(tool, [USER], 'uids'), askTool(tool, ['-g', USER], 'gids')];
  if (uids !== gids) throw refused(`mismatched subuids and subgids for user "${USER}"`);
  // The tool has failed then.
  return uids === '' ? undefined : parseRange(uids);
}

const refused = (problem: string, cause?: unknown): WasmletError =>
  new WasmletError('InvalidConfig', `create user namespace manager: kubelet mappings: ${problem}`, { cause });

/** The number of the user in passwd, which is where the kubelet looks: undefined where there is none. */
function userId({ etc }: IdSources): string | undefined {
  const line = linesOf(join(etc, 'passwd')).find((each) => each.startsWith(`${USER}:`));
  return line?.split(':')[2];
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

function findProgram(name: string, path: string): string | undefined {
  return path
    .split(delimiter)
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A directory service, which the tool may ask, can take its time; it is asked at the start. */
const TOOL_TIMEOUT_MS = 30_000;

function askTool(tool: string, args: readonly string[], what: string): string {
  try {
    return execFileSync(tool, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TOOL_TIMEOUT_MS,
    });
  } catch (error) {
    throw refused(`error retrieving additional ${what} for user "${USER}": ${messageOf(error).trim()}`, error);
  }
}

/** What the tool would say of a file (subuid(5)): a line for each of the user's ranges. */
function subordinateIds(path: string, uid: string): string {
  return linesOf(path)
    .map((line) => line.split(':'))
    .filter(([owner]) => owner === USER || owner === uid)
    .map(([, first, count], index) => `${index}: ${USER} ${first ?? ''} ${count ?? ''}\n`)
    .join('');
}

/** '0: kubelet 65536 2147483648' */
function parseRange(output: string): Range {
  const lines = output.replace(/^\n+|\n+$/g, '').split('\n');
  const [line = ''] = lines;
  if (lines.length !== 1) throw refused(`error parsing line ${JSON.stringify(output)}: it must contain only one line`);
  const parts = line.split(/\s+/).filter((part) => part !== '');
  if (parts.length !== 4) throw refused(`invalid line ${JSON.stringify(line)}`);
  const [first = NaN, count = NaN] = parts.slice(2).map(parseId);
  if (Number.isNaN(first + count)) throw refused(`error parsing line ${JSON.stringify(output)}: invalid syntax`);
  return { first, count };
}

const MAX_ID = 0xffff_ffff;

const parseId = (text: string): number => (/^\d+$/.test(text) && Number(text) <= MAX_ID ? Number(text) : NaN);
