import { REFUSED } from '../resources/refused.ts';
import { RESOURCES, REVIEWS, SUBRESOURCES } from '../resources/table.ts';
import { apiVersionOf } from '../resources/resource.ts';

/** Which kinds there are: /api, /apis and what is under them, and the aggregated form of KEP-3352. */

interface Listed {
  readonly group: string;
  readonly version: string;
  readonly name: string;
  readonly singularName: string;
  readonly namespaced: boolean;
  readonly kind: string;
  readonly verbs: readonly string[];
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  /** Of the object that is sent, where it is another than the resource's. */
  readonly kindGroup?: string;
  readonly kindVersion?: string;
}

function served(): Listed[] {
  return RESOURCES.flatMap((resource) => {
    const { group, version, plural, kind, namespaced, verbs, shortNames, categories, hasStatus } = resource;
    const singularName = kind.toLowerCase();
    const own: Listed = {
      group,
      version,
      name: plural,
      singularName,
      namespaced,
      kind,
      verbs,
      ...(shortNames ? { shortNames } : {}),
      ...(categories ? { categories } : {}),
    };
    const sub = (name: string, subKind: string, subVerbs: readonly string[]): Listed => ({
      group,
      version,
      name: `${plural}/${name}`,
      singularName: '',
      namespaced,
      kind: subKind,
      verbs: subVerbs,
    });
    const subresources = SUBRESOURCES.filter(({ of }) => of === plural && group === '').map((each) => ({
      ...sub(each.name, each.kind, each.verbs),
      ...(each.group === '' ? {} : { kindGroup: each.group, kindVersion: each.version }),
    }));
    return [own, ...(hasStatus ? [sub('status', kind, ['get', 'patch', 'update'])] : []), ...subresources];
  });
}

/** What is answered but not stored, and what is refused by name: neither can be listed. */
function others(): Listed[] {
  const listed = [
    ...REVIEWS.map((review) => ({ ...review, namespaced: false, verbs: ['create'] })),
    ...REFUSED.map((kind) => ({ ...kind, verbs: ['create', 'get'] })),
  ];
  return listed.map(({ group, version, plural, kind, namespaced, verbs }) => ({
    group,
    version,
    name: plural,
    singularName: kind.toLowerCase(),
    namespaced,
    kind,
    verbs,
  }));
}

/** By group, in the order of their names; each has one version. */
function groups(): Map<string, Listed[]> {
  const all = [...served(), ...others()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const names = [...new Set(all.map(({ group }) => group))].sort();
  return new Map(names.map((name) => [name, all.filter(({ group }) => group === name)]));
}

const versionOf = (listed: readonly Listed[]): string => listed[0]?.version ?? 'v1';

function groupOf(name: string, listed: readonly Listed[]): object {
  const version = versionOf(listed);
  const entry = { groupVersion: `${name}/${version}`, version };
  return { name, versions: [entry], preferredVersion: entry };
}

function resourceList(group: string, listed: readonly Listed[]): object {
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersionOf({ group, version: versionOf(listed) }),
    resources: listed.map(({ kindGroup, kindVersion, group: _group, version: _version, ...rest }) => ({
      ...rest,
      ...(kindGroup === undefined ? {} : { group: kindGroup, version: kindVersion }),
    })),
  };
}

function aggregated(version: string, shown: readonly (readonly [string, readonly Listed[]])[]): object {
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: shown.map(([name, listed]) => ({
      metadata: { creationTimestamp: null, ...(name === '' ? {} : { name }) },
      versions: [{ version: versionOf(listed), freshness: 'Current', resources: aggregatedResources(listed) }],
    })),
  };
}

function aggregatedResources(listed: readonly Listed[]): object[] {
  const kindOf = ({ group, version, kind, kindGroup, kindVersion }: Listed) => ({
    group: kindGroup ?? group,
    version: kindVersion ?? version,
    kind,
  });
  const scopeOf = ({ namespaced }: Listed) => (namespaced ? 'Namespaced' : 'Cluster');
  return listed
    .filter(({ name }) => !name.includes('/'))
    .map((resource) => {
      const subresources = listed
        .filter(({ name }) => name.startsWith(`${resource.name}/`))
        .map((sub) => ({ subresource: sub.name.split('/')[1], responseKind: kindOf(sub), verbs: sub.verbs }));
      const { name, singularName, verbs, shortNames, categories } = resource;
      return {
        resource: name,
        responseKind: kindOf(resource),
        scope: scopeOf(resource),
        singularResource: singularName,
        verbs,
        ...(shortNames ? { shortNames } : {}),
        ...(categories ? { categories } : {}),
        ...(subresources.length > 0 ? { subresources } : {}),
      };
    });
}

export interface Discovery {
  readonly body: object;
  /** Of the answer, where it is not plain JSON. */
  readonly type?: string;
}

/** @returns undefined for a path that is not one of discovery */
export function discovery(path: string, accept: string, address: string): Discovery | undefined {
  const all = groups();
  const parts = path.replace(/\/$/, '').split('/').slice(1);
  const version =
    /g=apidiscovery\.k8s\.io;v=(v2beta1|v2);as=APIGroupDiscoveryList|as=APIGroupDiscoveryList;v=(v2beta1|v2)/.exec(
      accept,
    );
  const form = version?.[1] ?? version?.[2];
  const entries = [...all].filter(([name]) => (parts[0] === 'api' ? name === '' : name !== ''));
  if (parts.length === 1 && form !== undefined && (parts[0] === 'api' || parts[0] === 'apis')) {
    return {
      body: aggregated(form, entries),
      type: `application/json;g=apidiscovery.k8s.io;v=${form};as=APIGroupDiscoveryList`,
    };
  }
  switch (parts.join('/')) {
    case 'api':
      return {
        body: {
          kind: 'APIVersions',
          versions: ['v1'],
          serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: address }],
        },
      };
    case 'apis':
      return {
        body: {
          kind: 'APIGroupList',
          apiVersion: 'v1',
          groups: entries.map(([name, listed]) => groupOf(name, listed)),
        },
      };
    case 'api/v1':
      return { body: resourceList('', all.get('') ?? []) };
    default:
      return groupDiscovery(parts, all);
  }
}

function groupDiscovery(parts: readonly string[], all: ReadonlyMap<string, readonly Listed[]>): Discovery | undefined {
  const [root, group = '', version] = parts;
  const listed = all.get(group);
  if (root !== 'apis' || group === '' || !listed || parts.length > 3) return undefined;
  if (version === undefined) return { body: { kind: 'APIGroup', apiVersion: 'v1', ...groupOf(group, listed) } };
  return version === versionOf(listed) ? { body: resourceList(group, listed) } : undefined;
}
