import { field, type Cause } from '../api/errors.ts';

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`;
const KEY = '[-._a-zA-Z0-9]+';
const QUALIFIED = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';

const whole = (pattern: string): RegExp => new RegExp(`^(?:${pattern})$`);

/** What is wrong with a DNS label (apimachinery validation.IsDNS1123Label), or undefined. */
export function labelProblem(text: string): string | undefined {
  if (text.length > 63) return 'must be no more than 63 bytes';
  if (whole(LABEL).test(text)) return undefined;
  return (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with " +
    `an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '${LABEL}')`
  );
}

/** The same of a DNS subdomain (IsDNS1123Subdomain). */
export function subdomainProblem(text: string): string | undefined {
  if (text.length > 253) return 'must be no more than 253 bytes';
  if (whole(SUBDOMAIN).test(text)) return undefined;
  return (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and " +
    `end with an alphanumeric character (e.g. 'example.com', regex used for validation is '${SUBDOMAIN}')`
  );
}

/** The same of a name that only has to be a segment of a path (IsValidPathSegmentName). */
export function pathSegmentProblem(text: string): string | undefined {
  if (text === '.' || text === '..') return `may not be '${text}'`;
  const found = ['/', '%'].find((character) => text.includes(character));
  return found === undefined ? undefined : `may not contain '${found}'`;
}

/** What is wrong with keys of ConfigMaps and Secrets (IsConfigMapKey), and nothing else. */
export function dataKeyProblem(key: string): string | undefined {
  if (key.length > 253) return 'must be no more than 253 bytes';
  if (!whole(KEY).test(key)) {
    return (
      "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  " +
      `or 'key-name', regex used for validation is '${KEY}')`
    );
  }
  if (key === '.') return "must not be '.'";
  return key.startsWith('..') ? "must not be '..'" : undefined;
}

/** What is wrong with the labels of an object (ValidateLabels). */
export function labelCauses(labels: Readonly<Record<string, string>>, path: string): Cause[] {
  return Object.entries(labels).flatMap(([key, value]) => {
    const causes: Cause[] = [];
    const keyProblem = qualifiedNameProblem(key);
    if (keyProblem !== undefined) causes.push(field.invalid(path, key, keyProblem));
    if (value.length > 63) causes.push(field.invalid(path, value, 'must be no more than 63 bytes'));
    if (value !== '' && !whole(QUALIFIED).test(value)) {
      const detail =
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and " +
        "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is " +
        `'(${QUALIFIED})?')`;
      causes.push(field.invalid(path, value, detail));
    }
    return causes;
  });
}

/** What is wrong with keys of labels and annotations (IsQualifiedName). */
export function qualifiedNameProblem(key: string): string | undefined {
  const parts = key.split('/');
  const name = parts.at(-1) ?? '';
  if (parts.length > 2) {
    return `a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${QUALIFIED}') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`;
  }
  if (parts.length === 2) {
    if (parts[0] === '') return 'prefix part must be non-empty';
    const problem = subdomainProblem(parts[0] ?? '');
    if (problem !== undefined) return `prefix part ${problem}`;
  }
  if (name === '') return 'name part must be non-empty';
  if (name.length > 63) return 'name part must be no more than 63 bytes';
  if (whole(QUALIFIED).test(name)) return undefined;
  return `name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${QUALIFIED}')`;
}
