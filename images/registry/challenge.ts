/** One challenge of a WWW-Authenticate header (RFC 9110, 11.6.1). */
export interface Challenge {
  /** In lower case: 'basic', 'bearer'. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: Readonly<Record<string, string>>;
}

const ITEM = /\s*,?\s*([A-Za-z0-9!#$%&'*+.^_`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?/y;

/** Parses WWW-Authenticate header values; what does not parse ends the value. */
export function parseChallenges(header: string | readonly string[] | undefined): readonly Challenge[] {
  const values = header === undefined ? [] : typeof header === 'string' ? [header] : header;
  return values.flatMap(parseValue);
}

function parseValue(value: string): readonly Challenge[] {
  const challenges: Challenge[] = [];
  let parameters: Record<string, string> = {};
  const item = new RegExp(ITEM);
  for (let match = item.exec(value); match !== null; match = item.exec(value)) {
    const [, name = '', quoted, plain] = match;
    const text = quoted === undefined ? plain : quoted.replace(/\\(.)/g, '$1');
    if (text === undefined) challenges.push({ scheme: name.toLowerCase(), parameters: (parameters = {}) });
    else parameters[name.toLowerCase()] = text;
  }
  return challenges;
}
