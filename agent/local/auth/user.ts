/** Who makes a request (apiserver pkg/authentication/user). */
export interface User {
  readonly name: string;
  readonly uid: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

const AUTHENTICATED = 'system:authenticated';

/** A user whose credentials were good: in the group of all such. */
export const authenticated = (user: Omit<User, 'uid' | 'extra'> & Partial<User>): User => ({
  uid: '',
  extra: {},
  ...user,
  groups: user.groups.includes(AUTHENTICATED) ? user.groups : [...user.groups, AUTHENTICATED],
});

export const isAdmin = ({ groups }: User): boolean => groups.includes('system:masters');
export const isNode = ({ groups, name }: User): boolean =>
  groups.includes('system:nodes') && name.startsWith('system:node:');
