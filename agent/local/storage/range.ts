/** Where an object is among those of its resource, which are in the order of namespace, then name. */
export interface Position {
  /** '' for cluster scope. */
  readonly namespace: string;
  readonly name: string;
}

/** A part of a resource's objects; both ends are in it. */
export interface Range {
  readonly from: Position;
  readonly to: Position;
}

/** No name holds a character below '-' or beyond ASCII (DNS names, path segments), so these stand before and after all. */
const NEXT = '\u0001';
const LAST = '\u{10ffff}';

/** All objects of a namespace, '' for those of cluster scope; undefined: of all namespaces. */
export const rangeOf = (namespace: string | undefined): Range => ({
  from: { namespace: namespace ?? '', name: '' },
  to: { namespace: namespace ?? LAST, name: LAST },
});

/** The one object, or none. */
export const rangeOfOne = (position: Position): Range => ({ from: position, to: position });

/** What of a range comes after a place in it, whether there is an object at it or not. */
export const rangeAfter = ({ to }: Range, { namespace, name }: Position): Range => ({
  from: { namespace, name: `${name}${NEXT}` },
  to,
});
