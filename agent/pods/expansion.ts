/** Gives the value of a variable; see mappingFor for what the kubelet does with an unknown one. */
export type Mapping = (name: string) => string;

/** `$` with what follows it: an escaped `$`, a reference `(NAME)`, or anything else. */
const REFERENCE = /\$(?:(?<escaped>\$)|\((?<name>[^)]*)\))/g;

/**
 * Replaces `$(NAME)` as Kubernetes does in command, args, env values and subPathExpr. `$$` stands for one `$`, so that
 * `$$(NAME)` stays as the text `$(NAME)`; a reference without its closing parenthesis stays as it is. Values are not
 * expanded again. (third_party/forked/golang/expansion in Kubernetes.)
 */
export function expand(input: string, mapping: Mapping): string {
  return input.replace(REFERENCE, (_match, escaped: string | undefined, name: string | undefined) =>
    escaped === undefined ? mapping(name ?? '') : escaped,
  );
}

/** A mapping over sets of variables; the first that knows the name wins, and an unknown reference stays as written. */
export function mappingFor(...contexts: ReadonlyMap<string, string>[]): Mapping {
  return (name) => contexts.find((context) => context.has(name))?.get(name) ?? `$(${name})`;
}
