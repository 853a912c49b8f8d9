/** A hash that rustc puts behind every name of the older mangling. */
const RUST_HASH = /^h[0-9a-f]{16}$/;

/** rustc's escapes in that mangling. */
const RUST_ESCAPES: Readonly<Record<string, string>> = {
  SP: '@',
  BP: '*',
  RF: '&',
  LT: '<',
  GT: '>',
  LP: '(',
  RP: ')',
  C: ',',
};

/**
 * A function's name as its author wrote it. Linkers of C++ put such names into the name section themselves; rustc
 * leaves its own in the form of the Itanium C++ ABI (`_ZN…E`), with a hash and escapes. Names of templates, operators and
 * rustc's newer mangling stay as they are: a trap is no place for a demangler of a thousand lines.
 */
export function demangle(name: string): string {
  if (!name.startsWith('_ZN')) return name;
  const parts = nestedName(name.slice('_ZN'.length));
  if (parts === undefined) return name;
  const isRust = RUST_HASH.test(parts.at(-1) ?? '');
  return isRust ? parts.slice(0, -1).map(unescapeRust).join('::') : parts.join('::');
}

/** The parts of `<length><text>…E`; undefined when there is anything else in it. */
function nestedName(text: string): string[] | undefined {
  const parts: string[] = [];
  let at = 0;
  while (text[at] !== 'E') {
    const [digits] = /^[1-9]\d{0,5}/.exec(text.slice(at, at + 6)) ?? [];
    if (digits === undefined) return undefined;
    const start = at + digits.length;
    at = start + Number(digits);
    if (at >= text.length) return undefined;
    parts.push(text.slice(start, at));
  }
  return parts.length === 0 ? undefined : parts;
}

function unescapeRust(part: string): string {
  // An escape at the start stands behind an underscore.
  return part
    .replace(/^_\$/, '$')
    .replaceAll(/\$([A-Z]+)\$/g, (whole, escape: string) => RUST_ESCAPES[escape] ?? whole)
    .replaceAll(/\$u([0-9a-f]{1,6})\$/g, (_, code: string) => String.fromCodePoint(Number.parseInt(code, 16)))
    .replaceAll('..', '::');
}
